/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * gst_dicenet_labels_parse_thresholds:
 * @labels: (array zero-terminated=1): labels of a detector, which has at least one; the first is the background, which
 *   neither text may name
 * @class_thresholds: (nullable): "label=threshold" pairs, separated by commas: thresholds of single classes
 * @object_class: (nullable): labels, separated by commas: all other classes are left out. %NULL or "" for all
 * @error: return location for a #GError that names the nearest label if one is unknown
 *
 * Upper and lower case are the same in labels. Blank entries are passed over, but @object_class must not be nothing
 * else.
 *
 * Returns: (transfer full): one number per label: its threshold, 2 if the class is left out, -1 if it has no threshold
 * of its own. %NULL with @error set
 */
gfloat *gst_dicenet_labels_parse_thresholds (const gchar *const *labels, const gchar *class_thresholds,
                                             const gchar *object_class, GError **error);

G_END_DECLS

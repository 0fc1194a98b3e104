/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * gst_dicenet_labels_parse_thresholds:
 * @labels: (array zero-terminated=1): a model's labels, at least one
 * @first: 1 if the first class is the background (of detectors), which neither string may name; 0 without
 * @class_thresholds: (nullable): thresholds of single classes: "label=threshold" pairs, separated by commas
 * @object_class: (nullable): labels of the classes to report, separated by commas. %NULL or "" for all
 * @error: return location for a #GError; for an unknown label, its message names the nearest one
 *
 * Labels are compared without regard to case. Blank entries are ignored, but @object_class must contain at least one
 * label unless it is empty.
 *
 * Returns: (transfer full): one threshold per label: 2 if the class is excluded, -1 if it has no threshold of its own.
 * %NULL with @error set
 */
gfloat *gst_dicenet_labels_parse_thresholds (const gchar *const *labels, guint first, const gchar *class_thresholds,
                                             const gchar *object_class, GError **error);

G_END_DECLS

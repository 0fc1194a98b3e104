/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/gst.h>
#include "gstdicenetjson.h"
#include "gstdicenetmask.h"
#include "inference/gstdicenetclassify.h"
#include "inference/gstdicenetdetect.h"
#include "inference/gstdicenetsegment.h"
#include "overlay/gstdicenetoverlay.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  /* Metas that come from another process are looked up by their name. */
  gst_dicenet_meta_get_info ();
  return gst_element_register (plugin, "dicenetclassify", GST_RANK_NONE, GST_TYPE_DICENET_CLASSIFY) &&
         gst_element_register (plugin, "dicenetdetect", GST_RANK_NONE, GST_TYPE_DICENET_DETECT) &&
         gst_element_register (plugin, "dicenetsegment", GST_RANK_NONE, GST_TYPE_DICENET_SEGMENT) &&
         gst_element_register (plugin, "dicenetoverlay", GST_RANK_NONE, GST_TYPE_DICENET_OVERLAY) &&
         gst_element_register (plugin, "dicenetjson", GST_RANK_NONE, GST_TYPE_DICENET_JSON) &&
         gst_element_register (plugin, "dicenetmask", GST_RANK_NONE, GST_TYPE_DICENET_MASK);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, dicenet,
                   "Classification, detection and segmentation of video with DiCENet", plugin_init, VERSION, "LGPL",
                   PACKAGE, GST_PACKAGE_ORIGIN)

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/gst.h>
#include "counting/gstdicenetcount.h"
#include "gstdicenetjson.h"
#include "gstdicenetmask.h"
#include "inference/gstdicenetclassify.h"
#include "inference/gstdicenetdetect.h"
#include "inference/gstdicenetsegment.h"
#include "overlay/gstdicenetoverlay.h"
#include "tracking/gstdicenettrack.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  /* Metas from other processes are looked up by name, so they must be registered. */
  gst_dicenet_meta_get_info ();
  return GST_ELEMENT_REGISTER (dicenetclassify, plugin) && GST_ELEMENT_REGISTER (dicenetdetect, plugin) &&
         GST_ELEMENT_REGISTER (dicenetsegment, plugin) && GST_ELEMENT_REGISTER (dicenetoverlay, plugin) &&
         GST_ELEMENT_REGISTER (dicenetjson, plugin) && GST_ELEMENT_REGISTER (dicenetmask, plugin) &&
         GST_ELEMENT_REGISTER (dicenettrack, plugin) && GST_ELEMENT_REGISTER (dicenetcount, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, dicenet,
                   "Classification, detection and segmentation of video with DiCENet", plugin_init, VERSION, "LGPL",
                   GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/error.h>
#include <dicenet/image.h>
#include <dicenet/log.h>
#include <dicenet/model.h>
#include <dicenet/options.h>
#include <dicenet/request.h>
#include <dicenet/results.h>
#include <dicenet/session.h>
#include <dicenet/text.h>
#include <dicenet/version.h>
#include <dicenet/enum-types.h>

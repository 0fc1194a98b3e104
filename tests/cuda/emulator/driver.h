/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the emulated runtime and the tests call of the emulated driver (driver.c). */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUctx_st *CUcontext;

int cuCtxGetCurrent (CUcontext *context);
int cuCtxSetCurrent (CUcontext context);

/* How many copies there were until now, of any thread. */
int emulated_copies (void);

#ifdef __cplusplus
}
#endif

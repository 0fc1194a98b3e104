/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Functions of the emulated driver (driver.c) for the emulated runtime and for tests. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUctx_st *CUcontext;

int cuCtxGetCurrent (CUcontext *context);
int cuCtxSetCurrent (CUcontext context);

/* Number of copies so far, by all threads. */
int emulated_copies (void);

#ifdef __cplusplus
}
#endif

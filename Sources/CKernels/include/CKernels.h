#pragma once
#include "quantize.h"
#include "kernels.h"
#include "limits.h"
#include "pool.h"
#include "pack.h"
#include "operations.h"
#include "digest.h"

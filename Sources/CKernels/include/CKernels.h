#pragma once
#include "quantize.h"
#include "kernels.h"

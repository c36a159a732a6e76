// Compute kernels of the forward pass: layouts, then functions. One file per ISA, chosen once at start.
#pragma once
#include <stddef.h>
#include <stdint.h>

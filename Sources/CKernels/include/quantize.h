// Rows of weights to and from GGUF's block formats. Portable C; used by conversion, tests and loading.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The compression functions of SHA-256 and SHA-1 (FIPS 180-4), for files of gigabytes; padding is the caller's.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Adds `blocks` blocks of 64 bytes to a state of eight words.
void ck_sha256_blocks(uint32_t *state, const void *bytes, size_t blocks);

/// The same for a state of five words.
void ck_sha1_blocks(uint32_t *state, const void *bytes, size_t blocks);

// A fingerprint of memory: made to find accidents, not to resist attacks.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Goes on from `seed`. A change within one of the words of eight bytes always changes the result; any other does but for a
/// chance of 1 in 2^64. The same on every little-endian processor; several bytes a cycle.
uint64_t ck_digest(uint64_t seed, const void *bytes, size_t count);

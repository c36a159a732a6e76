#include "digest.h"
#include <string.h>

// Four lanes hide the multiplication's latency. Every step is a bijection of the lane for a given input and of the input
// for a given lane, so that one changed word always changes its lane, and one changed lane always the result.

static const uint64_t odd = 0x9E3779B97F4A7C15u;

static uint64_t mix(uint64_t state, uint64_t word) {
    state = (state ^ word) * odd;
    return state ^ (state >> 29);
}

uint64_t ck_digest(uint64_t seed, const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint64_t lanes[4];
    for (int lane = 0; lane < 4; lane++) lanes[lane] = mix(seed, (uint64_t)lane);
    size_t left = count;
    for (; left >= 32; left -= 32, next += 32) {
        uint64_t words[4];
        memcpy(words, next, 32);
        for (int lane = 0; lane < 4; lane++) lanes[lane] = mix(lanes[lane], words[lane]);
    }
    uint64_t rest[4] = {0};
    memcpy(rest, next, left);
    uint64_t state = mix(seed, count);
    for (int lane = 0; lane < 4; lane++) state = mix(state, mix(lanes[lane], rest[lane]));
    return state;
}

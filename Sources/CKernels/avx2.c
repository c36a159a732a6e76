// AVX2, FMA and F16C: row kernels and the table.
#include "avx2.h"

#if defined(__x86_64__)

AVX2 void ck_avx2_rms_norm(const float *x, const float *weight, size_t n, size_t stride, float eps, float *y) {
    __m256 lanes = _mm256_setzero_ps();
    for (size_t i = 0; i < stride; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        lanes = _mm256_fmadd_ps(v, v, lanes);
    }
    const float root = _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(sum_lanes(lanes) / (float)n + eps)));
    const __m256 scale = _mm256_set1_ps(1 / root);
    for (size_t i = 0; i < stride; i += 8) {
        const __m256 normed = _mm256_mul_ps(_mm256_loadu_ps(x + i), scale);
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(weight + i), normed));
    }
}

AVX2 void ck_avx2_quantize(const float *x, size_t stride, int8_t *quants, float *scales, int32_t *sums) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t b = 0; b < stride / CK_BLOCK; b++, x += CK_BLOCK, quants += CK_BLOCK) {
        __m256 v[4], largest = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            largest = _mm256_max_ps(largest, _mm256_and_ps(v[i], magnitude));
        }
        const float amax = max_lanes(largest);
        // Below 1e-30 the inverse would overflow; such a block is zero to any model.
        const __m256 inverse = _mm256_set1_ps(amax >= 1e-30f ? 127 / amax : 0);
        __m256i q[4], sum = _mm256_setzero_si256();
        for (int i = 0; i < 4; i++) {
            q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
            sum = _mm256_add_epi32(sum, q[i]);
        }
        const __m256i low = _mm256_packs_epi32(q[0], q[1]), high = _mm256_packs_epi32(q[2], q[3]);
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)quants, bytes);
        int32_t lanes[8];
        _mm256_storeu_si256((__m256i *)lanes, sum);
        int32_t total = 0;
        for (int i = 0; i < 8; i++) total = (int32_t)((uint32_t)total + (uint32_t)lanes[i]);
        scales[b] = amax / 127;
        sums[b] = total;
    }
}

AVX2 void ck_avx2_exp(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i += 8) _mm256_storeu_ps(y + i, exponential(_mm256_loadu_ps(x + i)));
}

AVX2 void ck_avx2_swiglu(float *gate, const float *up, size_t n) {
    const __m256 one = _mm256_set1_ps(1);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = _mm256_loadu_ps(gate + i);
        const __m256 e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), g));
        const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
        _mm256_storeu_ps(gate + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
}

AVX2 void ck_avx2_to_f16(const float *x, uint16_t *y, size_t n) {
    const __m256 limit = _mm256_set1_ps(65504), lower = _mm256_set1_ps(-65504);
    for (size_t i = 0; i < n; i += 8) {
        // The order of the operands matters: min and max give the second one when the first is NaN.
        const __m256 v = _mm256_max_ps(_mm256_min_ps(_mm256_loadu_ps(x + i), limit), lower);
        _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
}

const ck_kernels *ck_kernels_avx2(void) {
    static const ck_kernels kernels = {
        "avx2", ck_avx2_panels_f32, ck_avx2_panels_f16, ck_avx2_panels_bf16, ck_avx2_panels_q8_0, ck_avx2_panels_q4_0,
        ck_avx2_rms_norm, ck_avx2_quantize, ck_avx2_swiglu, ck_avx2_to_f16, ck_avx2_attention, ck_avx2_exp, ck_avx2_peak, 4,
    };
    __builtin_cpu_init();
    const int supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    return supported ? &kernels : NULL;
}

#else

#include "kernels.h"

const ck_kernels *ck_kernels_avx2(void) { return NULL; }

#endif

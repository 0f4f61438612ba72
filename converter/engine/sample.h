/* What one sample of wild PCM counts as: for the encoder and for all that measures before it, so
 * that what is measured is what is encoded. */
#ifndef UNREEL_CONVERTER_ENGINE_SAMPLE_H
#define UNREEL_CONVERTER_ENGINE_SAMPLE_H

/* Of full scale. Decoders overshoot; beyond this it is noise or a broken file. */
#define SAMPLE_MAX 4.0F

/* A comparison with NaN is false, so NaN becomes silence. */
static inline float sample_tame(float x)
{
    float low = x >= -SAMPLE_MAX ? x : (x < 0 ? -SAMPLE_MAX : 0);
    return low <= SAMPLE_MAX ? low : SAMPLE_MAX;
}

#endif

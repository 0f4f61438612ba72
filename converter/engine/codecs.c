#include "codecs.h"

#include "core/banned.h"

const char *codecs_formats(void)
{
    return "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,flac,ogg,avi,mpegts,mpeg,flv,asf,aac,"
           "aiff,ac3,eac3,dts,amr,caf,au,w64";
}

/* Sound only. A decoder that wraps an external library is not here when libavcodec has its own. */
const char *codecs_decoders(void)
{
    return "aac,aac_latm,ac3,eac3,alac,amrnb,amrwb,dca,flac,mp1float,mp1,mp2float,mp2,mp3float,"
           "mp3,mp3adufloat,mp3on4float,opus,vorbis,speex,truehd,mlp,wavpack,tta,ape,nellymoser,"
           "wmav1,wmav2,wmapro,wmalossless,wmavoice,qdm2,qdmc,qcelp,cook,atrac3,atrac3plus,gsm,gsm_"
           "ms,"
           "g723_1,g729,"
           "adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_yamaha,adpcm_ima_dk4,"
           "adpcm_ima_dk3,g722,g726,g726le,mace3,mace6,"
           "pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,pcm_s8_planar,pcm_u16le,pcm_u16be,pcm_s16le,"
           "pcm_s16be,pcm_s16le_planar,pcm_s16be_planar,pcm_u24le,pcm_u24be,pcm_s24le,pcm_s24be,"
           "pcm_s24le_planar,pcm_u32le,pcm_u32be,pcm_s32le,pcm_s32be,pcm_s32le_planar,pcm_s64le,"
           "pcm_s64be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_bluray,pcm_dvd";
}

/* One for each codec that videos of today have; all of them work with one thread. */
const char *codecs_video_decoders(void)
{
    return "h264,hevc,vp8,vp9,libdav1d,mpeg4,mpeg2video,mjpeg";
}

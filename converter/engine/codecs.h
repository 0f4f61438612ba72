/* What is read here: the lists that libav is held to. Nothing else is probed, opened or decoded. */
#ifndef UNREEL_CONVERTER_ENGINE_CODECS_H
#define UNREEL_CONVERTER_ENGINE_CODECS_H

/* Demuxers' and decoders' names, separated by commas. */
const char *codecs_formats(void);
const char *codecs_decoders(void);
/* Those for one picture of the video. */
const char *codecs_video_decoders(void);

#endif

"""Media for the benchmarks: speech, music, noise and sweeps, 48 kHz stereo AAC in MP4; kept in build/media."""
import subprocess

from harness import media

SPEECH = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so again and again. "


def speech():
    path = media.cache_folder() / "speech.wav"
    if not path.exists():
        subprocess.run(["espeak-ng", "-w", str(path), SPEECH * 12], check=True)
    return path


def minute():
    """60 s of all of it, no picture."""
    chirp = "aevalsrc=0.25*sin(2*PI*(200*t+40*t*t))|0.25*sin(2*PI*(300*t+30*t*t)):s=48000:d=60"
    music = "aevalsrc=0.15*(sin(2*PI*261.6*t)+sin(2*PI*329.6*t)+sin(2*PI*392*t))*(0.6+0.4*sin(3*t)):s=48000:d=60"
    return media.make("bench-minute", "m4a", [
        "-stream_loop", "-1", "-i", str(speech()), "-f", "lavfi", "-i", chirp, "-f", "lavfi", "-i", music,
        "-f", "lavfi", "-i", "anoisesrc=a=0.02:r=48000:d=60",
        "-filter_complex", "[0][1][2][3]amix=inputs=4:normalize=0,aformat=channel_layouts=stereo", "-t", "60",
        "-ar", "48000", "-c:a", "aac", "-b:a", "160k"])


def sound(seconds):
    """Only the sound, seconds long."""
    return media.make(f"bench-{seconds}s", "mp4", ["-stream_loop", str(seconds // 60), "-i", str(minute()), "-t", str(seconds),
                                                   "-c", "copy"])


def picture(kbit):
    """10 s of a test card; noise makes it as large as a camera's."""
    noise = ",noise=alls=40:allf=t" if kbit > 5000 else ""
    return media.make(f"bench-card-{kbit}k", "mp4", [
        "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=25:duration=10{noise}", "-c:v", "mpeg4", "-b:v", f"{kbit}k"])


def film(seconds, kbit):
    """Sound and a picture of kbit/s."""
    return media.make(f"bench-show-{seconds}s-{kbit}k", "mp4", [
        "-stream_loop", str(seconds // 10), "-i", str(picture(kbit)), "-stream_loop", str(seconds // 60), "-i", str(minute()),
        "-map", "0:v", "-map", "1:a", "-t", str(seconds), "-c", "copy"])


def mp3_film(seconds, kbit):
    """A film whose sound is MP3 already."""
    return media.make(f"bench-mp3-{seconds}s-{kbit}k", "mp4", [
        "-i", str(film(seconds, kbit)), "-map", "0", "-c:v", "copy", "-c:a", "libmp3lame", "-b:a", "192k"])


def camera(seconds):
    """20 Mbit/s as cameras write it: a second of picture, a second of sound."""
    return media.make(f"bench-camera-{seconds}s", "mp4", [
        "-i", str(film(seconds, 20000)), "-map", "0", "-c", "copy", "-chunk_duration", "1000000", "-chunk_size", "100000000"])

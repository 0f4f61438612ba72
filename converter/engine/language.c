#include "language.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "core/attr.h"

#include "core/banned.h"

/* ISO 639-1, and 639-2's terminological and bibliographic codes. Any other code stands for itself.
 */
/* clang-format off */
static const char codes[][3][4] = {
    { "aa", "aar", "aar" }, { "ab", "abk", "abk" }, { "ae", "ave", "ave" }, { "af", "afr", "afr" },
    { "ak", "aka", "aka" }, { "am", "amh", "amh" }, { "an", "arg", "arg" }, { "ar", "ara", "ara" },
    { "as", "asm", "asm" }, { "av", "ava", "ava" }, { "ay", "aym", "aym" }, { "az", "aze", "aze" },
    { "ba", "bak", "bak" }, { "be", "bel", "bel" }, { "bg", "bul", "bul" }, { "bh", "bih", "bih" },
    { "bi", "bis", "bis" }, { "bm", "bam", "bam" }, { "bn", "ben", "ben" }, { "bo", "bod", "tib" },
    { "br", "bre", "bre" }, { "bs", "bos", "bos" }, { "ca", "cat", "cat" }, { "ce", "che", "che" },
    { "ch", "cha", "cha" }, { "co", "cos", "cos" }, { "cr", "cre", "cre" }, { "cs", "ces", "cze" },
    { "cu", "chu", "chu" }, { "cv", "chv", "chv" }, { "cy", "cym", "wel" }, { "da", "dan", "dan" },
    { "de", "deu", "ger" }, { "dv", "div", "div" }, { "dz", "dzo", "dzo" }, { "ee", "ewe", "ewe" },
    { "el", "ell", "gre" }, { "en", "eng", "eng" }, { "eo", "epo", "epo" }, { "es", "spa", "spa" },
    { "et", "est", "est" }, { "eu", "eus", "baq" }, { "fa", "fas", "per" }, { "ff", "ful", "ful" },
    { "fi", "fin", "fin" }, { "fj", "fij", "fij" }, { "fo", "fao", "fao" }, { "fr", "fra", "fre" },
    { "fy", "fry", "fry" }, { "ga", "gle", "gle" }, { "gd", "gla", "gla" }, { "gl", "glg", "glg" },
    { "gn", "grn", "grn" }, { "gu", "guj", "guj" }, { "gv", "glv", "glv" }, { "ha", "hau", "hau" },
    { "he", "heb", "heb" }, { "hi", "hin", "hin" }, { "ho", "hmo", "hmo" }, { "hr", "hrv", "hrv" },
    { "ht", "hat", "hat" }, { "hu", "hun", "hun" }, { "hy", "hye", "arm" }, { "hz", "her", "her" },
    { "ia", "ina", "ina" }, { "id", "ind", "ind" }, { "ie", "ile", "ile" }, { "ig", "ibo", "ibo" },
    { "ii", "iii", "iii" }, { "ik", "ipk", "ipk" }, { "io", "ido", "ido" }, { "is", "isl", "ice" },
    { "it", "ita", "ita" }, { "iu", "iku", "iku" }, { "ja", "jpn", "jpn" }, { "jv", "jav", "jav" },
    { "ka", "kat", "geo" }, { "kg", "kon", "kon" }, { "ki", "kik", "kik" }, { "kj", "kua", "kua" },
    { "kk", "kaz", "kaz" }, { "kl", "kal", "kal" }, { "km", "khm", "khm" }, { "kn", "kan", "kan" },
    { "ko", "kor", "kor" }, { "kr", "kau", "kau" }, { "ks", "kas", "kas" }, { "ku", "kur", "kur" },
    { "kv", "kom", "kom" }, { "kw", "cor", "cor" }, { "ky", "kir", "kir" }, { "la", "lat", "lat" },
    { "lb", "ltz", "ltz" }, { "lg", "lug", "lug" }, { "li", "lim", "lim" }, { "ln", "lin", "lin" },
    { "lo", "lao", "lao" }, { "lt", "lit", "lit" }, { "lu", "lub", "lub" }, { "lv", "lav", "lav" },
    { "mg", "mlg", "mlg" }, { "mh", "mah", "mah" }, { "mi", "mri", "mao" }, { "mk", "mkd", "mac" },
    { "ml", "mal", "mal" }, { "mn", "mon", "mon" }, { "mr", "mar", "mar" }, { "ms", "msa", "may" },
    { "mt", "mlt", "mlt" }, { "my", "mya", "bur" }, { "na", "nau", "nau" }, { "nb", "nob", "nob" },
    { "nd", "nde", "nde" }, { "ne", "nep", "nep" }, { "ng", "ndo", "ndo" }, { "nl", "nld", "dut" },
    { "nn", "nno", "nno" }, { "no", "nor", "nor" }, { "nr", "nbl", "nbl" }, { "nv", "nav", "nav" },
    { "ny", "nya", "nya" }, { "oc", "oci", "oci" }, { "oj", "oji", "oji" }, { "om", "orm", "orm" },
    { "or", "ori", "ori" }, { "os", "oss", "oss" }, { "pa", "pan", "pan" }, { "pi", "pli", "pli" },
    { "pl", "pol", "pol" }, { "ps", "pus", "pus" }, { "pt", "por", "por" }, { "qu", "que", "que" },
    { "rm", "roh", "roh" }, { "rn", "run", "run" }, { "ro", "ron", "rum" }, { "ru", "rus", "rus" },
    { "rw", "kin", "kin" }, { "sa", "san", "san" }, { "sc", "srd", "srd" }, { "sd", "snd", "snd" },
    { "se", "sme", "sme" }, { "sg", "sag", "sag" }, { "si", "sin", "sin" }, { "sk", "slk", "slo" },
    { "sl", "slv", "slv" }, { "sm", "smo", "smo" }, { "sn", "sna", "sna" }, { "so", "som", "som" },
    { "sq", "sqi", "alb" }, { "sr", "srp", "srp" }, { "ss", "ssw", "ssw" }, { "st", "sot", "sot" },
    { "su", "sun", "sun" }, { "sv", "swe", "swe" }, { "sw", "swa", "swa" }, { "ta", "tam", "tam" },
    { "te", "tel", "tel" }, { "tg", "tgk", "tgk" }, { "th", "tha", "tha" }, { "ti", "tir", "tir" },
    { "tk", "tuk", "tuk" }, { "tl", "tgl", "tgl" }, { "tn", "tsn", "tsn" }, { "to", "ton", "ton" },
    { "tr", "tur", "tur" }, { "ts", "tso", "tso" }, { "tt", "tat", "tat" }, { "tw", "twi", "twi" },
    { "ty", "tah", "tah" }, { "ug", "uig", "uig" }, { "uk", "ukr", "ukr" }, { "ur", "urd", "urd" },
    { "uz", "uzb", "uzb" }, { "ve", "ven", "ven" }, { "vi", "vie", "vie" }, { "vo", "vol", "vol" },
    { "wa", "wln", "wln" }, { "wo", "wol", "wol" }, { "xh", "xho", "xho" }, { "yi", "yid", "yid" },
    { "yo", "yor", "yor" }, { "za", "zha", "zha" }, { "zh", "zho", "chi" }, { "zu", "zul", "zul" },
};

/* clang-format on */

static bool is_text(const char *text, size_t len, const char *code)
{
    return strlen(code) == len && strncasecmp(text, code, len) == 0;
}

/* Its row in the table, -1: none. */
static int find(const char *text, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        for (size_t form = 0; form < ARRAY_LEN(codes[i]); form++) {
            if (is_text(text, len, codes[i][form])) {
                return (int)i;
            }
        }
    }
    return -1;
}

static bool is_same(const char *wanted, size_t wanted_len, const char *found, size_t found_len)
{
    if (wanted_len == found_len && strncasecmp(wanted, found, found_len) == 0) {
        return true;
    }
    size_t wanted_code = strcspn(wanted, "-,");
    size_t found_code = strcspn(found, "-,");
    bool has_both_regions = wanted_code < wanted_len && found_code < found_len;
    if (has_both_regions &&
        (wanted_len - wanted_code != found_len - found_code ||
         strncasecmp(wanted + wanted_code, found + found_code, found_len - found_code) != 0)) {
        return false;
    }
    int row = find(wanted, wanted_code);
    if (row >= 0) {
        return row == find(found, found_code);
    }
    return wanted_code == found_code && strncasecmp(wanted, found, found_code) == 0;
}

bool language_matches(const char *wanted, const char *listed)
{
    size_t wanted_len = strlen(wanted);
    while (*listed != '\0') {
        size_t len = strcspn(listed, ",");
        if (len > 0 && is_same(wanted, wanted_len, listed, len)) {
            return true;
        }
        listed += len + (listed[len] == ',' ? 1 : 0);
    }
    return false;
}

/* Functions that have a safer twin here; using one does not compile. Include last. */
#ifndef UNREEL_CORE_BANNED_H
#define UNREEL_CORE_BANNED_H

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll atof
#pragma GCC poison localtime gmtime ctime asctime tmpnam mktemp rand srand

#endif

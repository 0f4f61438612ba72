# Applied to our own targets only: unreel_warnings is linked by cmake/targets.cmake.
add_library(unreel_warnings INTERFACE)
target_compile_options(unreel_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wformat=2 -Wundef -Wwrite-strings -Wcast-qual -Werror)
target_compile_definitions(unreel_warnings INTERFACE _GNU_SOURCE)

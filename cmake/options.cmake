option(UNREEL_TESTS "build the tests" ON)
option(UNREEL_FUZZ "build the fuzz targets with libFuzzer (clang)" OFF)
option(UNREEL_HARDEN "compile with the hardening flags of a release" OFF)
set(UNREEL_LIBAV_PREFIX "" CACHE PATH "where scripts/libav.sh built its static libav; empty for the system's")
set(UNREEL_SANITIZE "" CACHE STRING "-fsanitize= list: address,undefined or thread; empty for none")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug)
endif()

# A broken assumption ends the program in a release too: no NDEBUG.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

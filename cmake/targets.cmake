# The three kinds of target there are. What a target does not link it cannot include:
# a shared module publishes its own folder under the name of the folder ("blobs/blobs.h").

# unreel_module(NAME SOURCES ... PUBLIC ... PRIVATE ... [FOLDER folder]): one static library, unreel_NAME; its
# headers are "FOLDER/x.h" (FOLDER is NAME unless a folder holds two libraries).
function(unreel_module name)
  cmake_parse_arguments(ARG "" "FOLDER" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER ${name})
  endif()
  add_library(unreel_${name} STATIC ${ARG_SOURCES})
  unreel_public_folder(unreel_${name} ${ARG_FOLDER})
  target_link_libraries(unreel_${name} PUBLIC ${ARG_PUBLIC} Threads::Threads
                                       PRIVATE unreel_warnings ${ARG_PRIVATE})
endfunction()

# A target's headers are seen through build/include/<target>/<folder>, a link to its source folder,
# so that linking one module never makes its neighbours' headers visible.
function(unreel_public_folder target folder)
  set(root "${CMAKE_BINARY_DIR}/include/${target}")
  file(MAKE_DIRECTORY "${root}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${root}/${folder}" SYMBOLIC)
  target_include_directories(${target} PUBLIC "${root}")
endfunction()

# unreel_program(NAME SOURCES ... LINKS ...): one installed executable, called NAME.
function(unreel_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE unreel_warnings ${ARG_LINKS} Threads::Threads)
  install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endfunction()

# unreel_test(NAME SOURCES ... LINKS ... LABEL unit|contract [TIMEOUT s]): one cmocka binary and its ctest.
# A test binary that exits with 77 is skipped.
function(unreel_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE unreel_warnings ${ARG_LINKS} PkgConfig::CMOCKA Threads::Threads)
  target_compile_definitions(${name} PRIVATE UNREEL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()

# unreel_fuzz(NAME SOURCE LINKS ... CORPUS dir): with UNREEL_FUZZ a libFuzzer binary; otherwise the same
# source with a small main() that replays the corpus, as an ordinary test.
function(unreel_fuzz name)
  cmake_parse_arguments(ARG "" "SOURCE;CORPUS" "LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  target_link_libraries(${name} PRIVATE unreel_warnings ${ARG_LINKS} Threads::Threads)
  if(UNREEL_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c")
  endif()
  if(UNREEL_FUZZ)
    add_test(NAME ${name} COMMAND ${name} -runs=0 "${ARG_CORPUS}")
  else()
    add_test(NAME ${name} COMMAND ${name} "${ARG_CORPUS}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()

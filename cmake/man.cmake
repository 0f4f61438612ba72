# Man pages out of --help, by help2man where it is installed: unreel_man(PROGRAM...). The target `man` makes them in
# build/man; a release makes them with everything else, and they are installed.
find_program(HELP2MAN help2man)

function(unreel_man)
  if(NOT HELP2MAN OR CMAKE_CROSSCOMPILING)
    return()
  endif()
  set(script "${PROJECT_SOURCE_DIR}/cmake/man_page.sh")
  foreach(program ${ARGN})
    set(page "${CMAKE_BINARY_DIR}/man/${program}.1")
    add_custom_command(OUTPUT "${page}" COMMAND "${script}" "$<TARGET_FILE:${program}>" "${page}"
      DEPENDS ${program} "${script}" VERBATIM)
    list(APPEND pages "${page}")
  endforeach()
  # A program under a sanitizer is not what anybody installs.
  if(UNREEL_SANITIZE OR UNREEL_FUZZ)
    add_custom_target(man DEPENDS ${pages})
  else()
    add_custom_target(man ALL DEPENDS ${pages})
    install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  endif()
endfunction()

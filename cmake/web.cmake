# Puts web/dist, gzipped, into a target's objects by .incbin (a C array of 2 MB costs a compiler seconds, this nothing).
# A build without web/dist embeds web/notice.html as the page. src/app/web_assets.cc reads the table written here.
function(slipway_web_assets target)
  if(NOT TARGET ${target})
    return()
  endif()
  set(root ${PROJECT_SOURCE_DIR}/web/dist)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${root} ${root}/*)
  if(NOT "index.html" IN_LIST files)
    set(root ${PROJECT_SOURCE_DIR}/web)
    set(files notice.html)
  endif()
  find_program(GZIP gzip REQUIRED)

  set(folder ${CMAKE_BINARY_DIR}/web)
  file(MAKE_DIRECTORY ${folder})
  set(index 0)
  set(packed "")
  set(blobs "")
  set(table "")
  foreach(file ${files})
    string(MD5 name ${root}/${file})
    set(gz ${folder}/${name}.gz)
    add_custom_command(OUTPUT ${gz} COMMAND ${GZIP} -9 -n -c ${root}/${file} > ${gz} DEPENDS ${root}/${file} VERBATIM)
    list(APPEND packed ${gz})
    string(REGEX REPLACE "^(index|notice)\\.html$" "" path ${file})
    string(APPEND blobs "path${index}: .asciz \"/${path}\"\nbegin${index}: .incbin \"${gz}\"\nend${index}:\n")
    string(APPEND table "  .quad path${index}, begin${index}, end${index}\n")
    math(EXPR index "${index} + 1")
  endforeach()
  set(source ${folder}/web_assets.S)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
  .section .rodata
@blobs@
  .section .data.rel.ro, "aw"
  .balign 8
  .global slipway_web_files
  .global slipway_web_files_end
slipway_web_files:
@table@slipway_web_files_end:
  .section .note.GNU-stack, "", %progbits
]])
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${packed}")
  target_sources(${target} PRIVATE ${source} ${packed})
endfunction()

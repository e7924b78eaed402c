# The shape that all libraries of this project have: one compilation, from it a shared and a static library.

# tm_add_library(NAME SOURCES ... [LIBRARIES ...] [CORE])
#
# Makes the targets NAME and NAME_static. LIBRARIES are what the code itself calls and users need not know of. Without
# CORE the library stands on the core: its shared library on the core's shared one, its static on the static one.
function(tm_add_library name)
    cmake_parse_arguments(arg "CORE" "" "SOURCES;LIBRARIES" ${ARGN})

    add_library(${name}_objects OBJECT ${arg_SOURCES})
    target_include_directories(${name}_objects PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    # initial-exec: a thread's cells are one load away, also from a shared library. no-plt: strlen and memcpy are called
    # straight.
    target_compile_options(${name}_objects PRIVATE ${TM_LIBRARY_WARNINGS} -ftls-model=initial-exec -fno-plt)
    set_target_properties(${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)

    add_library(${name} SHARED $<TARGET_OBJECTS:${name}_objects>)
    add_library(${name}_static STATIC $<TARGET_OBJECTS:${name}_objects>)
    set_target_properties(${name} ${name}_static PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C)
    # $ORIGIN: a library is found beside the core, which loads it by name when a URL asks for it.
    set_target_properties(${name} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 BUILD_RPATH $ORIGIN
                                             INSTALL_RPATH $ORIGIN)
    tm_limit_exports(${name} ${arg_CORE})
    # nodelete: thread-exit and fork handlers and registered schemes point into the code for ever.
    target_link_options(${name} PRIVATE LINKER:-z,nodelete LINKER:-Bsymbolic-functions)
    if(NOT (TM_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang")) # whose shared libraries lean on the program's runtime
        target_link_options(${name} PRIVATE LINKER:--no-undefined)
    endif()

    if(arg_CORE)
        set(core "")
        set(core_static "")
    else()
        set(core taskermetrics)
        set(core_static taskermetrics_static)
    endif()
    target_link_libraries(${name} PUBLIC ${core} PRIVATE ${arg_LIBRARIES})
    target_link_libraries(${name}_static PUBLIC ${core_static} PRIVATE ${arg_LIBRARIES})
    foreach(target ${name} ${name}_static)
        target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                       $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        string(REPLACE taskermetrics_ "" alias ${target})
        if(arg_CORE)
            set(alias ${target})
        endif()
        set_target_properties(${target} PROPERTIES EXPORT_NAME ${alias})
        add_library(taskermetrics::${alias} ALIAS ${target})
    endforeach()
endfunction()

# What a shared library exports. The core: the public tm_ functions, and under a version that names the release those
# internal ones that the stores in libraries of their own call, so that only the same release can bind to them. Such a
# store: nothing; it announces itself with tm_store_register.
function(tm_limit_exports name is_core)
    if(is_core)
        set(template ${PROJECT_SOURCE_DIR}/cmake/core.map.in)
    else()
        set(template ${PROJECT_SOURCE_DIR}/cmake/store.map.in)
    endif()
    set(map ${PROJECT_BINARY_DIR}/${name}.map)
    configure_file(${template} ${map} @ONLY)
    target_link_options(${name} PRIVATE LINKER:--version-script=${map})
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${map})
endfunction()

# tm_add_store(NAME [PACKAGE])
#
# The store of src/store/NAME as the library taskermetrics_NAME, if pkg-config knows the package that it stands on. Its Lua
# scripts are built in: FILE.lua as the C string tm__NAME_FILE_lua.
function(tm_add_store name)
    set(package ${ARGV1})
    set(folder ${PROJECT_SOURCE_DIR}/src/store/${name})
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c)
    file(GLOB scripts CONFIGURE_DEPENDS ${folder}/*.lua)
    if(package AND PKG_CONFIG_FOUND)
        pkg_check_modules(${package} ${package})
    endif()
    if(package AND NOT ${package}_FOUND)
        message(STATUS "The ${name} store is left out: it needs ${package}")
        return()
    endif()
    foreach(script IN LISTS scripts)
        tm_embed(${script} tm__${name}_ embedded)
        list(APPEND sources ${embedded})
    endforeach()
    set(library taskermetrics_${name})
    tm_add_library(${library} SOURCES ${sources} LIBRARIES ${${package}_LIBRARIES})
    if(package)
        target_include_directories(${library}_objects SYSTEM PRIVATE ${${package}_INCLUDE_DIRS})
        target_compile_options(${library}_objects PRIVATE ${${package}_CFLAGS_OTHER})
        target_link_directories(${library} PRIVATE ${${package}_LIBRARY_DIRS})
    endif()

    # A program calls nothing of the store by name: it is linked all the same, and its constructor announces it.
    set_property(TARGET ${library} PROPERTY INTERFACE_LINK_OPTIONS
        LINKER:--push-state,--no-as-needed,$<TARGET_FILE:taskermetrics::${name}>,--pop-state)
    target_link_options(${library}_static INTERFACE LINKER:-u,tm__${name}_store_open)
    set_property(GLOBAL APPEND PROPERTY TM_STORES ${name})
    set_property(GLOBAL PROPERTY TM_STORE_LIBRARIES_${name} ${${package}_LIBRARIES})
endfunction()

# Sets `out` to a C file that defines a text file's content as the string `prefix` with the file's name, '.' being '_', and
# that name with _sha1 as the content's SHA-1.
function(tm_embed file prefix out)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} symbol)
    set(source ${PROJECT_BINARY_DIR}/embedded/${symbol}.c)
    add_custom_command(OUTPUT ${source} DEPENDS ${file} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
        COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DSYMBOL=${prefix}${symbol} -DSOURCE=${source}
                -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
    set(${out} ${source} PARENT_SCOPE)
endfunction()

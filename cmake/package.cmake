# Installing: libraries, headers, pkg-config files and the CMake package with its components.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/taskermetrics)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig ${prefix_from_pkgconfig})

# tm_install(NAME COMPONENT DESCRIPTION ... LIBS ... LIBS_PRIVATE ... [REQUIRES ...])
function(tm_install name component)
    cmake_parse_arguments(arg "" "DESCRIPTION;LIBS;LIBS_PRIVATE;REQUIRES" "" ${ARGN})
    install(TARGETS ${name} ${name}_static EXPORT ${name}-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT ${name}-targets DESTINATION ${package_dir}
        NAMESPACE taskermetrics:: FILE taskermetrics-${component}-targets.cmake)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/library.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir})
endfunction()

tm_install(taskermetrics core DESCRIPTION "${PROJECT_DESCRIPTION}"
    LIBS "-ltaskermetrics" LIBS_PRIVATE "-lck -lpthread -lm -ldl")

get_property(stores GLOBAL PROPERTY TM_STORES)
foreach(store IN LISTS stores)
    get_property(libraries GLOBAL PROPERTY TM_STORE_LIBRARIES_${store})
    list(TRANSFORM libraries PREPEND -l)
    list(JOIN libraries " " libraries)
    tm_install(taskermetrics_${store} ${store} DESCRIPTION "The ${store} store of taskermetrics" REQUIRES taskermetrics
        LIBS "-Wl,--push-state,--no-as-needed,-ltaskermetrics_${store},--pop-state"
        LIBS_PRIVATE "-Wl,-u,tm__${store}_store_open ${libraries}")
endforeach()

install(DIRECTORY include/taskermetrics DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
configure_package_config_file(cmake/taskermetrics-config.cmake.in ${PROJECT_BINARY_DIR}/taskermetrics-config.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/taskermetrics-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/taskermetrics-config.cmake ${PROJECT_BINARY_DIR}/taskermetrics-config-version.cmake
    DESTINATION ${package_dir})

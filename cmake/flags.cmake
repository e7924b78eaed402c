# How everything in this tree is compiled.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_compile_definitions(_GNU_SOURCE)

# The other warnings that the library keeps; tests, whose wrapped functions have no prototypes, only the first five.
set(TM_LIBRARY_WARNINGS -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef -Wformat=2)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(TM_WERROR)
    add_compile_options(-Werror)
endif()

if(TM_SANITIZE)
    add_compile_options(-fsanitize=${TM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TM_SANITIZE})
endif()

# cmake -DFILE=... -DSYMBOL=... -DSOURCE=... -P embed.cmake: a file's bytes as a C string with its NUL. As numbers, because a
# string literal of more than 4,095 characters is not portable C. Beside it, as SYMBOL_sha1, its SHA-1 in hexadecimal digits.
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" lines "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " lines "${lines}")
file(SHA1 ${FILE} sha1)
file(WRITE ${SOURCE} "extern const char ${SYMBOL}[], ${SYMBOL}_sha1[];\nconst char ${SYMBOL}[] = {\n${lines}0\n};\n"
                     "const char ${SYMBOL}_sha1[] = \"${sha1}\";\n")

#!/usr/bin/python3
"""What users get: the installed package, its symbols and headers, and the code in the README. And the order of layers."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SANITIZER, SOURCE, directory, main, run, test

CONSUMER = SOURCE / "tests" / "consumer"
HEADERS = sorted((SOURCE / "include" / "taskermetrics").glob("*.h"))
STORES = [name for name in ("redis", "memcached") if (BUILD / f"libtaskermetrics_{name}.so").exists()]
UNREACHABLE = {"redis": "redis://127.0.0.1:1/0", "memcached": "memcached://127.0.0.1:1/"}
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# Each layer and those that it may include.
LAYERS = {
    "base": set(),
    "snapshot": {"base"},
    "registry": {"base", "snapshot"},
    "store": {"base", "snapshot"},
    "store/redis": {"base", "snapshot", "store"},
    "store/memcached": {"base", "snapshot", "store"},
    "export": {"base", "snapshot"},
    "sync": {"base", "snapshot", "registry", "store", "export"},
    "scrape": {"base", "snapshot", "registry", "store", "export"},
}

# A library made for a sanitizer wants its runtime in every program: the plain build stands for the package.
package_test = test if not SANITIZER else lambda function: function


# ---- The installed package ----

def installed():
    prefix = directory() / "prefix"
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


def library_folder(prefix):
    return next(prefix.rglob("libtaskermetrics.so")).parent


def dependencies(program):
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", program)))


def expect_consumer_works(program, language, stores):
    text = run(program, *[UNREACHABLE[store] for store in stores])
    assert f'consumer_runs_total{{language="{language}"}} 3\n' in text, text


def build_with_cmake(prefix, suffix):
    build = directory() / "build"
    run("cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DSTATIC={suffix}",
        "-DSTORES=" + ";".join(STORES), "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed")
    run("cmake", "--build", build)
    expect_consumer_works(build / "consumer_c", "C", STORES)
    expect_consumer_works(build / "consumer_cpp", "C++", STORES)
    return dependencies(build / "consumer_c")


def build_with_pkg_config(prefix, stores, *flags):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(library_folder(prefix) / "pkgconfig")}
    packages = ["taskermetrics"] + [f"taskermetrics_{store}" for store in stores]
    static = ["--static"] if "-static" in flags else []
    answer = run("pkg-config", *static, "--cflags", "--libs", *packages, env=environment).split()
    for compiler, source, language in (("gcc", "main.c", "C"), ("g++", "main.cpp", "C++")):
        program = directory() / source.replace(".", "_")
        run(compiler, *flags, CONSUMER / source, "-o", program, *answer, f"-Wl,-rpath,{library_folder(prefix)}")
        expect_consumer_works(program, language, stores)
        yield dependencies(program)


def shared_names(stores):
    return {"libtaskermetrics.so.0"} | {f"libtaskermetrics_{store}.so.0" for store in stores}


@package_test
def cmake_finds_the_shared_libraries():
    needed = build_with_cmake(installed(), "")
    assert shared_names(STORES) <= needed, needed


@package_test
def cmake_finds_the_static_libraries():
    needed = build_with_cmake(installed(), "_static")
    assert not any("taskermetrics" in name for name in needed), needed


@package_test
def cmake_refuses_a_component_that_is_not_there():
    done = subprocess.run(["cmake", "-G", "Ninja", "-S", CONSUMER, "-B", directory() / "build",
                           f"-DCMAKE_PREFIX_PATH={installed()}", "-DSTORES=nonesuch"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0 and "nonesuch" in done.stdout, done.stdout


@package_test
def pkg_config_finds_the_shared_libraries():
    for needed in build_with_pkg_config(installed(), STORES, "-Wl,--as-needed"):
        assert shared_names(STORES) <= needed, needed


@package_test
def pkg_config_finds_the_static_libraries():
    for needed in build_with_pkg_config(installed(), STORES, "-static"):
        assert needed == set(), needed


@package_test
def a_store_is_found_beside_the_core_without_being_linked():
    prefix = installed()
    list(build_with_pkg_config(prefix, []))
    for store in STORES:
        expect_consumer_works(directory() / "main_c", "C", [store])


@package_test
def nothing_installed_names_where_it_was_built():
    prefix = installed()
    for path in prefix.rglob("*"):
        if path.is_file() and path.suffix in (".pc", ".cmake", ".h"):
            text = path.read_text()
            assert str(BUILD) not in text and str(SOURCE) not in text and str(prefix) not in text, path


# ---- Symbols and headers ----

def exports(library):
    """Symbol -> version of what a shared library exports."""
    found = {}
    for line in run("nm", "-D", "--defined-only", BUILD / library).splitlines():
        _, kind, name = line.split()
        symbol, _, version = name.partition("@@")
        if kind != "A":  # the versions themselves
            found[symbol] = version
    return found


@package_test
def the_core_exports_exactly_the_listed_functions():
    public = {s for s, version in exports("libtaskermetrics.so").items() if version == "TASKERMETRICS_0"}
    listed = set((SOURCE / "tests" / "golden" / "abi.txt").read_text().split())
    assert public == listed, f"new: {sorted(public - listed)}, gone: {sorted(listed - public)}"


@package_test
def all_that_is_declared_is_exported():
    text = "".join(header.read_text() for header in HEADERS)
    declared = set(re.findall(r"^TM_API\b[^;]*?\b(tm_\w+)\(", text, re.MULTILINE))
    public = {s for s, version in exports("libtaskermetrics.so").items() if version == "TASKERMETRICS_0"}
    assert declared == public, f"only declared: {sorted(declared - public)}, only exported: {sorted(public - declared)}"


@package_test
def what_the_core_exports_beside_them_is_for_its_own_release():
    version = re.search(r'#define TM_VERSION "(.*)"', HEADERS[0].read_text())[1]
    for symbol, symbol_version in exports("libtaskermetrics.so").items():
        if symbol_version != "TASKERMETRICS_0":
            assert symbol.startswith("tm__") and symbol_version == f"TASKERMETRICS_PRIVATE_{version}", symbol


@package_test
def all_of_that_is_used_by_a_store():
    used = set()
    for store in STORES:
        undefined = run("nm", "-D", "--undefined-only", BUILD / f"libtaskermetrics_{store}.so")
        used |= set(re.findall(r"\b(tm__\w+)@", undefined))
    exported = {symbol for symbol in exports("libtaskermetrics.so") if symbol.startswith("tm__")}
    assert exported == used, f"TM__SHARED for nothing: {sorted(exported - used)}"


@package_test
def stores_export_nothing():
    for store in STORES:
        assert exports(f"libtaskermetrics_{store}.so") == {}, store


@package_test
def every_header_compiles_alone():
    for header in HEADERS:
        for language, compilers in (("c", ("gcc", "clang")), ("c++", ("g++", "clang++"))):
            source = directory() / f"alone.{language}"
            source.write_text(f"#include <taskermetrics/{header.name}>\n")
            standard = {"c": "c11", "c++": "c++17"}[language]
            for compiler in compilers:
                run(compiler, "-x", language, f"-std={standard}", *STRICT, f"-I{SOURCE / 'include'}", "-fsyntax-only",
                    source)


# ---- Layers ----

def layer_of(path):
    """The layer of a file below src, or of what an include names."""
    parts = pathlib.PurePath(path).parts
    nested = "/".join(parts[:2])
    return nested if nested in LAYERS else parts[0]


def includes_of(file):
    """The layers that a file includes, public headers counting as those of the layer they are named for."""
    for line in file.read_text().splitlines():
        own = re.match(r'#\s*include\s+"([^"]+)"', line)
        public = re.match(r"#\s*include\s+<taskermetrics/(\w+)\.h>", line)
        if own:
            yield layer_of(own[1])
        elif public:
            yield public[1]


@package_test
def includes_follow_the_layers():
    files = [file for file in (SOURCE / "src").rglob("*.[ch]")]
    assert {layer_of(file.relative_to(SOURCE / "src")) for file in files} >= {"base", "snapshot", "registry", "store"}
    wrong = []
    for file in files:
        own = layer_of(file.relative_to(SOURCE / "src"))
        wrong += [f"{file} includes {layer}" for layer in includes_of(file)
                  if layer != own and layer not in LAYERS[own]]
    for header in HEADERS:
        if header.stem != "taskermetrics":
            wrong += [f"{header} includes {layer}" for layer in includes_of(header) if layer not in LAYERS[header.stem]]
    assert not wrong, "\n".join(wrong)


# ---- The README ----

@package_test
def the_code_in_the_readme_compiles_and_runs():
    prefix = installed()
    blocks = re.findall(r"^```c\n(.*?)^```", (SOURCE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks, "no C code in README.md"
    for number, code in enumerate(blocks):
        folder = directory() / f"readme{number}"
        folder.mkdir()
        (folder / "readme.c").write_text(code)
        run("gcc", "-std=c11", *STRICT, "readme.c", f"-I{prefix / 'include'}", f"-L{library_folder(prefix)}",
            f"-Wl,-rpath,{library_folder(prefix)}", "-ltaskermetrics", "-o", "readme", cwd=folder)
        run("./readme", cwd=folder)


main("package")

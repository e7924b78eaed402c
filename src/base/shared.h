/* TM__SHARED: an internal function that the stores in libraries of their own call too. The core's shared library
 * exports it under a symbol version that names the release, so that only a store of the same release binds to it:
 * state such as the list of fork handlers is there once, and structs may change between releases. */
#ifndef TM__BASE_SHARED_H
#define TM__BASE_SHARED_H

#define TM__SHARED __attribute__((visibility("default")))

#endif

/* libtaskermetrics: metrics for threaded C and C++ programs. This header includes all the others. */
#ifndef TASKERMETRICS_TASKERMETRICS_H
#define TASKERMETRICS_TASKERMETRICS_H

#include <taskermetrics/base.h>
#include <taskermetrics/export.h>
#include <taskermetrics/registry.h>
#include <taskermetrics/snapshot.h>
#include <taskermetrics/store.h>
#include <taskermetrics/sync.h>

#endif

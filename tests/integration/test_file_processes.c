/* Many processes on one file. */
#include "processes.h"
#include "test.h"

TEST(sixteen_processes_add_up_exactly_though_some_are_killed)
{
    char url[512];
    snprintf(url, sizeof url, "file:%s/shared", test_directory());
    processes_run(&(processes_plan){.url = url, .processes = 16, .syncs = 300, .kills = 8});
}

TEST_MAIN("file_processes", T(sixteen_processes_add_up_exactly_though_some_are_killed))

#include "registry/registry.h"

TM__COLD static void add_first(const tm__series *series, uint64_t n)
{
    tm__cell *cell = tm__own_cells(series->cells);
    if (cell)
        tm__cell_add(cell, n);
    else
        tm__count_series_drop(series);
}

void tm_counter_add(tm_counter *counter, uint64_t n)
{
    const tm__series *series = (const tm__series *)counter;
    tm__cell *cell = tm__touched_cells(series->cells);
    if (cell)
        tm__cell_add(cell, n);
    else
        add_first(series, n);
}

void tm_counter_inc(tm_counter *counter)
{
    tm_counter_add(counter, 1);
}

uint64_t tm_counter_value(tm_counter *counter)
{
    const tm__series *series = (const tm__series *)counter;
    tm_number value = {0};
    if (!tm__series_is_no_op(series))
        (void)tm__series_read(series, tm__registry_cleared(series->family->registry), &value);
    return value.u;
}

// An application in C++17: records, syncs, renders. Arguments: further store URLs, whose schemes must be known.
#include <cstdio>
#include <string>

#include <taskermetrics/taskermetrics.h>

static int append(void *ctx, const char *bytes, size_t len)
{
    static_cast<std::string *>(ctx)->append(bytes, len);
    return 0;
}

static int record_and_print(const std::string &language)
{
    tm_registry *registry = nullptr;
    tm_store *store = nullptr;
    std::string text;
    tm_family family = TM_FAMILY_INIT;
    family.name = "consumer.seconds";
    family.type = TM_TYPE_HISTOGRAM;
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_registry_new(nullptr, &registry);
    if (status == TM_OK)
        status = tm_store_open("memory:", nullptr, &store, nullptr);
    if (status == TM_OK)
        status = tm_describe(registry, &family);
    if (status == TM_OK)
        status = tm_observe(registry, "consumer.seconds", 0.25, TM_NO_LABELS);
    if (status == TM_OK)
        status = tm_count(registry, "consumer.runs", 3, TM_LABELS("language", language.c_str()));
    if (status == TM_OK)
        status = tm_sync_to_cache(registry, store, &report);
    if (status == TM_OK)
        status = tm_export_distributed(store, TM_FORMAT_PROMETHEUS, nullptr, append, &text);
    std::fputs(text.c_str(), stdout);
    tm_store_close(store);
    tm_registry_free(registry);
    return status;
}

int main(int argc, char **argv)
{
    int status = record_and_print("C++");
    for (int i = 1; i < argc && status == TM_OK; i++) {
        tm_store *store = nullptr;
        int opened = tm_store_open(argv[i], nullptr, &store, nullptr);
        tm_store_close(store);
        std::printf("%s: %s\n", argv[i], tm_status_name(opened));
        status = opened == TM_EUNAVAILABLE ? TM_OK : opened;
    }
    return status == TM_OK ? 0 : 1;
}

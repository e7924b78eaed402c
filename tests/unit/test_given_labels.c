/* Finding a canonical text again from labels in any order. */
#include <stdbool.h>

#include "base/given_labels.h"
#include "base/labels.h"
#include "test.h"

static bool match(tm_labels stored, tm_labels wanted)
{
    tm__labels_text text;
    tm__given_labels given;
    assert_ok(tm__labels_write(stored, &text));
    assert_ok(tm__labels_take(wanted, &given));
    bool same = tm__labels_match(text.text, text.len, tm__labels_shape_of(text.text, text.len), &given);
    if (same)
        assert_int_equal(tm__labels_hash(text.text, text.len), given.hash);
    return same;
}

TEST(the_order_does_not_matter)
{
    assert_true(match(TM_LABELS("a", "1", "b", "2", "c", "3"), TM_LABELS("c", "3", "a", "1", "b", "2")));
    assert_true(match(TM_NO_LABELS, TM_NO_LABELS));
}

TEST(a_name_and_a_value_are_not_exchanged)
{
    tm__given_labels one;
    tm__given_labels other;
    assert_false(match(TM_LABELS("a", "b"), TM_LABELS("b", "a")));
    assert_false(match(TM_LABELS("a", "1", "b", "2"), TM_LABELS("a", "2", "b", "1")));
    assert_ok(tm__labels_take(TM_LABELS("a", "1", "b", "2"), &one));
    assert_ok(tm__labels_take(TM_LABELS("a", "2", "b", "1"), &other));
    assert_int_not_equal(one.hash, other.hash);
}

TEST(a_part_is_not_the_whole)
{
    assert_false(match(TM_LABELS("a", "1", "b", "2"), TM_LABELS("a", "1")));
    assert_false(match(TM_LABELS("a", "1"), TM_LABELS("a", "1", "b", "2")));
    assert_false(match(TM_LABELS("a", "12"), TM_LABELS("a", "1")));
    assert_false(match(TM_LABELS("a", "1"), TM_LABELS("a", "12")));
    assert_false(match(TM_LABELS("ab", "1"), TM_LABELS("a", "1")));
    assert_false(match(TM_LABELS("a", "1", "b", "2"), TM_LABELS("a", "1", "a", "1")));
}

TEST(a_value_that_looks_like_two_labels_is_not_two_labels)
{
    assert_false(match(TM_LABELS("a", "x", "b", "y"), TM_LABELS("a", "x\",b=\"y")));
    assert_false(match(TM_LABELS("a", "x", "b", "y"), TM_LABELS("a", "x\",b=\"y", "b", "y")));
    assert_false(match(TM_LABELS("a", "x", "b", "y", "c", "z"), TM_LABELS("a", "x\",b=\"y", "c", "z")));
}

TEST(a_name_that_looks_like_a_label_and_a_part_of_its_value_is_no_name)
{
    assert_false(match(TM_LABELS("a", "b=c"), TM_LABELS("a=\"b", "")));
    assert_false(match(TM_LABELS("a", "b=cde"), TM_LABELS("a=\"b", "de")));
    assert_false(match(TM_LABELS("a", "b=\"c"), TM_LABELS("a=\"b", "c")));
}

TEST(escapes_are_compared_by_what_they_mean)
{
    assert_true(match(TM_LABELS("a", "q\"b\\n\n", "b", ""), TM_LABELS("b", "", "a", "q\"b\\n\n")));
    assert_false(match(TM_LABELS("a", "x\"y"), TM_LABELS("a", "x\\\"y")));
    assert_false(match(TM_LABELS("a", "\n"), TM_LABELS("a", "\\n")));
    assert_false(match(TM_LABELS("a", "\\"), TM_LABELS("a", "\"")));
}

TEST(what_is_missing_is_named)
{
    tm__given_labels given;
    const char *const pairs[] = {"a", NULL};
    const char *const no_name[] = {NULL, "a"};
    assert_status(tm__labels_take((tm_labels){pairs, 1}, &given), TM_ELABEL);
    assert_status(tm__labels_take((tm_labels){no_name, 1}, &given), TM_ELABEL);
    assert_status(tm__labels_take((tm_labels){NULL, 1}, &given), TM_ELABEL);
    assert_status(tm__labels_take((tm_labels){pairs, TM_LABELS_MAX + 1}, &given), TM_ELABEL);
}

/* ---- against the canonical text as oracle -------------------------------------------------------------------- */

static uint64_t random_state = 1;

static size_t random_below(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % below;
}

typedef struct label_set {
    char names[3][20];
    char values[3][24];
    const char *pairs[6];
    tm_labels labels;
} label_set;

/* Few names and few letters, so that equal and almost equal sets are common; lengths on both sides of a word. */
static void make_set(label_set *set)
{
    static const char *const names[] = {"a", "ab", "abcd", "abcdefgh", "abcdefghi_and_more"};
    static const char letters[] = "x\"\\\n,=a";
    size_t first = random_below(5);
    set->labels = (tm_labels){set->pairs, random_below(4)};
    for (size_t i = 0; i < set->labels.count; i++) {
        snprintf(set->names[i], sizeof set->names[i], "%s", names[(first + i) % 5]);
        size_t len = random_below(4) == 0 ? random_below(20) : random_below(3);
        for (size_t k = 0; k < len; k++)
            set->values[i][k] = letters[random_below(len > 3 ? 1 : sizeof letters - 1)];
        set->values[i][len] = '\0';
        set->pairs[2 * i] = set->names[i];
        set->pairs[2 * i + 1] = set->values[i];
    }
}

TEST(a_match_is_an_equal_canonical_text)
{
    size_t matches = 0;
    for (int i = 0; i < 300000; i++) {
        label_set one;
        label_set other;
        make_set(&one);
        make_set(&other);
        tm__labels_text one_text;
        tm__labels_text other_text;
        assert_ok(tm__labels_write(one.labels, &one_text));
        assert_ok(tm__labels_write(other.labels, &other_text));
        bool equal = one_text.len == other_text.len && memcmp(one_text.text, other_text.text, one_text.len) == 0;
        assert_int_equal(match(one.labels, other.labels), equal);
        assert_true(match(one.labels, one.labels));
        matches += equal;
    }
    assert_true(matches > 100);
}

TEST_MAIN("given_labels", T(the_order_does_not_matter), T(a_name_and_a_value_are_not_exchanged),
          T(a_part_is_not_the_whole), T(a_value_that_looks_like_two_labels_is_not_two_labels),
          T(a_name_that_looks_like_a_label_and_a_part_of_its_value_is_no_name),
          T(escapes_are_compared_by_what_they_mean), T(what_is_missing_is_named), T(a_match_is_an_equal_canonical_text))

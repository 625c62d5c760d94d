#include "services/paging.h"

#include <gmock/gmock.h>

#include <map>
#include <vector>

#include "services/api.h"

namespace signet::services {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Page = api::Page<int>;

std::map<std::string, int> Rows(int count) {
  std::map<std::string, int> rows;
  for (int i = 0; i < count; ++i) rows[std::to_string(10000 + i)] = i;
  return rows;
}
int Same(int value) { return value; }

TEST(Paging, PagesTogetherAreTheListWithoutGapOrRepetition) {
  const auto rows = Rows(7);
  std::vector<int> all;
  std::optional<std::string> cursor;
  int pages = 0;
  do {
    const Page page = MakePage<Page>(rows, 3, cursor, Same).value();
    all.insert(all.end(), page.items.begin(), page.items.end());
    cursor = page.next;
    ++pages;
  } while (cursor);
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_EQ(pages, 3);
}

TEST(Paging, PageThatEndsTheListHasNoNext) {
  EXPECT_FALSE(MakePage<Page>(Rows(3), 3, std::nullopt, Same).value().next);
  EXPECT_FALSE(MakePage<Page>(Rows(0), 3, std::nullopt, Same).value().next);
}

TEST(Paging, CursorOfARowThatIsGoneGoesOnBehindIt) {
  auto rows = Rows(4);
  const auto first = MakePage<Page>(rows, 2, std::nullopt, Same).value();
  rows.erase(*first.next);
  EXPECT_THAT(MakePage<Page>(rows, 2, first.next, Same).value().items, ElementsAre(2, 3));
  EXPECT_THAT(MakePage<Page>(rows, 2, "~", Same).value().items, IsEmpty());
}

TEST(Paging, AHundredByDefaultAndAThousandAtMost) {
  EXPECT_EQ(MakePage<Page>(Rows(1500), std::nullopt, std::nullopt, Same).value().items.size(),
            100u);
  EXPECT_EQ(MakePage<Page>(Rows(1500), 1000, std::nullopt, Same).value().items.size(), 1000u);
  for (const std::int64_t limit :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1001}, INT64_MAX}) {
    const auto page = MakePage<Page>(Rows(1), limit, std::nullopt, Same);
    ASSERT_FALSE(page);
    EXPECT_EQ(page.error().word, "LIMIT_INVALID");
    EXPECT_FALSE(page.error().remedy.empty());
  }
}

}  // namespace
}  // namespace signet::services

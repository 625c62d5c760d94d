// What a StatusSource holds is bounded, and so is its share of a lane at one place.
#include <gtest/gtest.h>

#include "services/revocation/round.h"
#include "tests/services/status_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;

TEST(StatusBounds, APlaceThatIsAloneHasAllThreadsAndHalfOfThemBesideOthers) {
  Traffic traffic;
  traffic.places["a:80"] = {.waiting = 9, .running = 4};
  traffic.running = 4;
  EXPECT_TRUE(traffic.MayStart("a:80", 8));
  traffic.places["b:80"].waiting = 1;  // of whichever caller
  EXPECT_FALSE(traffic.MayStart("a:80", 8));
  EXPECT_TRUE(traffic.MayStart("b:80", 8));
  traffic.running = 8;
  EXPECT_FALSE(traffic.MayStart("b:80", 8));
  Traffic little;
  little.places["a:80"].waiting = 1;
  little.places["b:80"].waiting = 1;
  EXPECT_TRUE(little.MayStart("a:80", 1));
}

TEST(StatusBounds, TheLeastRecentlyUsedAnswersGoFirst) {
  AnswerCache cache;
  for (std::size_t i = 0; i < kMostAnswers; ++i) cache.Put(std::to_string(i), {});
  EXPECT_TRUE(cache.Find("0"));  // is used
  cache.Put("one more", {});
  EXPECT_EQ(cache.size(), kMostAnswers);
  EXPECT_TRUE(cache.Find("0"));
  EXPECT_FALSE(cache.Find("1"));
  EXPECT_TRUE(cache.Find("one more"));
}

using StatusShelf = StatusWorld;

TEST_F(StatusShelf, HoldsListsUpToItsOctetsAndTrustedOnesBeyondTheirRound) {
  ListShelf shelf;
  auto list =
      keystore::x509::RevocationList::FromDer(testing::ReadWhole(folder_ / "world/whole.crl"));
  ASSERT_TRUE(list);
  int fetches = 0;
  const auto get = [&](const std::string& url, RoundNumber round) {
    const ListShelf::Wish wish{url, round, clock_.Now(), 24h, false};
    return shelf.Get(wish, [&]() -> Result<ListShelf::Fetched> {
      ++fetches;
      return ListShelf::Fetched{
          .list = list.value(), .octets = kMostListOctets / 2, .fetched = clock_.Now()};
    });
  };
  for (const std::string url : {"a", "b", "c"}) EXPECT_TRUE(get(url, 1));
  EXPECT_EQ(shelf.size(), 2u);
  EXPECT_EQ(shelf.octets(), kMostListOctets);
  EXPECT_TRUE(get("c", 1));
  EXPECT_EQ(fetches, 3);
  EXPECT_TRUE(get("c", 2));  // nobody has verified it
  EXPECT_EQ(fetches, 4);
  shelf.Trust("c", "another list's", clock_.Now() + 1h);
  EXPECT_TRUE(get("c", 3));
  EXPECT_EQ(fetches, 5);
  shelf.Trust("c", list.value().fingerprint(), clock_.Now() + 1h);
  EXPECT_TRUE(get("c", 4));
  EXPECT_EQ(fetches, 5);
  clock_.Step(-1min);  // it is of a future now
  EXPECT_TRUE(get("c", 5));
  EXPECT_EQ(fetches, 6);
  shelf.Trust("c", list.value().fingerprint(), clock_.Now() + 1h);
  clock_.Advance(1h);
  EXPECT_TRUE(get("c", 6));
  EXPECT_EQ(fetches, 7);
  EXPECT_TRUE(get("a", 6));
  EXPECT_EQ(fetches, 8);
}

}  // namespace
}  // namespace signet::services

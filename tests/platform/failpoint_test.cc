#include "platform/failpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#ifdef SIGNET_FAILPOINTS

namespace signet {
namespace {

TEST(FailpointDeathTest, KillsAtTheNamedPlaceOnly) {
  ::setenv("SIGNET_FAILPOINT", "store.commit", 1);
  Failpoint("store.commit.before");
  Failpoint("store");
  EXPECT_EXIT(Failpoint("store.commit"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST(FailpointDeathTest, KillsAtTheNthTime) {
  ::setenv("SIGNET_FAILPOINT", "step:3", 1);
  Failpoint("step");
  Failpoint("step");
  EXPECT_EXIT(Failpoint("step"), ::testing::KilledBySignal(SIGKILL), "");
}

TEST(Failpoint, DoesNothingWithoutAPlanOrWithANonsensicalOne) {
  ::unsetenv("SIGNET_FAILPOINT");
  Failpoint("step");
  for (const char* plan : {"", "step:", "step:x", "step:1x", "step:0", "step:-1", "ste", "other"}) {
    ::setenv("SIGNET_FAILPOINT", plan, 1);
    Failpoint("step");
  }
}

TEST(Failpoint, RecordsTheNamesPassed) {
  std::string file = "/tmp/signet-failpoint-XXXXXX";
  const int fd = ::mkstemp(file.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  ::setenv("SIGNET_FAILPOINT_LOG", file.c_str(), 1);
  Failpoint("one");
  Failpoint("two");
  Failpoint("one");
  ::unsetenv("SIGNET_FAILPOINT_LOG");
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "one\ntwo\none\n");
  ::unlink(file.c_str());
}

}  // namespace
}  // namespace signet

#endif

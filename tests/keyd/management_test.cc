// SPEC B11: signetd's word to signet-keyd: who may say it, the view of the keys, and the counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "hsm/control_channel.h"
#include "hsm/control_words.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::KeyAlgorithm;
using hsm::wire::Call;
using ::testing::HasSubstr;

constexpr char kWord[] = "the manager's word";

class Management : public ::testing::Test {
 protected:
  KeydWorld world;
};

TEST_F(Management, NeedsTheCredentialAndLooksAtItOnce) {
  for (const std::string& word : {std::string(), std::string("wrong"), std::string(kWord) + "x",
                                  std::string(kWord).substr(1), std::string(kWord).substr(0, 5)}) {
    RawClient other(world.management());
    EXPECT_EQ(other.Greet(word), CKR_USER_NOT_LOGGED_IN) << word;
    EXPECT_NE(other.Call(Call::kControl, "zay", Octets("state") + Array("")).error, CKR_OK);
    EXPECT_NE(other.Call(Call::kOpenSession, "uu", Number(1) + Number(CKF_SERIAL_SESSION)).error,
              CKR_OK);
    // A second guess needs a new connection.
    EXPECT_NE(other.Call(Call::kInitialize, "ayyay", HelloArguments(kWord)).error, CKR_OK);
  }
  hsm::ControlChannel channel(world.management(), Secret("wrong"));
  const auto state = channel.Call(hsm::control::kState, "", std::chrono::seconds(3));
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().word, "KEYD_UNREACHABLE");
  EXPECT_THAT(state.error().detail, HasSubstr("refuses the credential"));
  // On the socket of services it is worth nothing.
  RawClient service(world.keys());
  EXPECT_EQ(service.Greet(kWord), CKR_OK);
  EXPECT_EQ(service.Call(Call::kControl, "zay", Octets("state") + Array("")).error,
            CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_F(Management, AViewThatIsWrongIsRefusedAndTheOneBeforeStays) {
  world.MakeKeys({{.purpose = "tomcat"}, {.purpose = "cup"}});
  hsm::ControlChannel channel(world.management(), Secret(kWord));
  const auto show = [&](const std::string& document) {
    const auto shown = channel.Call(hsm::control::kShow, document, std::chrono::seconds(3));
    return shown ? std::string() : shown.error().word;
  };
  const auto changed = [&](auto change) {
    hsm::KeyView view = world.view;
    change(view.keys);
    return json::serialize(ToJson(view));
  };
  using Keys = std::vector<hsm::ViewKey>;
  EXPECT_EQ(show(changed([](Keys& keys) { keys[1].id = keys[0].id; })), "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys[1].certificates = keys[0].certificates; })),
            "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys[1].certificates[1] = "AAAA"; })), "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys[0].spki = "AAAA"; })), "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys[0].id = "xyz"; })), "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys[0].label = ""; })), "VIEW_INVALID");
  EXPECT_EQ(show(changed([](Keys& keys) { keys.resize(1001); })), "VIEW_INVALID");
  EXPECT_NE(show("{"), "");
  EXPECT_NE(show("[]"), "");
  EXPECT_NE(show(std::string(100, '[')), "");
  const StockClient client(world.keys());
  EXPECT_EQ(client.Find(client.Open(), {NumberValue(CKA_CLASS, CKO_PRIVATE_KEY)}).size(), 2u);
  const auto unknown = channel.Call("no-such-method", "", std::chrono::seconds(3));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().word, "CONTROL_UNKNOWN");
  EXPECT_EQ(show(changed([](Keys& keys) { keys.clear(); })), "");
  EXPECT_TRUE(client.Find(client.Open()).empty());
}

TEST_F(Management, TheViewIsReadFromItsFileAndGivenAnewWhenThatIsDamaged) {
  world.MakeKeys({{.purpose = "tomcat"}});
  const auto keys = [&] {
    const StockClient client(world.keys());
    return client.Find(client.Open(), {NumberValue(CKA_CLASS, CKO_PRIVATE_KEY)}).size();
  };
  EXPECT_EQ(world.Stop(), 0);
  world.Start();  // and no signetd
  EXPECT_EQ(keys(), 1u);
  EXPECT_EQ(world.Stop(), 0);
  WriteWhole(world.Path("state/view.json"), "{\"keys\":[{]}");
  world.Start();
  EXPECT_EQ(keys(), 0u);
  EXPECT_THAT(world.Log(), HasSubstr("the view of the keys is damaged"));
  EXPECT_TRUE(world.manager().Probe());  // signetd looks every now and then
  EXPECT_EQ(keys(), 1u);
}

// A process that is stopped, not dead: signetd goes on within seconds.
TEST_F(Management, WhoAsksAStoppedProcessIsNotStoppedToo) {
  ::kill(world.pid(), SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(world.manager().Probe());
  EXPECT_EQ(world.manager().Info().state, hsm::TokenState::kFailed);
  // Its queue is full, too.
  std::vector<RawClient> queue;
  if (IsRoot()) {
    do queue.emplace_back(world.management());
    while (queue.back().connected());
    hsm::ControlChannel channel(world.management(), Secret(kWord));
    EXPECT_FALSE(channel.Call(hsm::control::kState, "", std::chrono::seconds(3)));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(16));
  ::kill(world.pid(), SIGCONT);
  queue.clear();
  EXPECT_TRUE(world.WaitState(hsm::TokenState::kOperational, 10));
}

// Every signature of the module is somebody's: also of those who vanished, and over a successor.
TEST_F(Management, CountersAddUpAfterAMixedLoad) {
  world.MakeKeys({{.purpose = "rsa", .spec = {KeyAlgorithm::kRsa, 2048}}, {.purpose = "ec"}});
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const StockClient client(world.keys());
      const CK_SESSION_HANDLE own = client.Open();
      const CK_OBJECT_HANDLE rsa = client.Key(own, "rsa"), ec = client.Key(own, "ec");
      while (!stop) {
        answered += client.Sign(own, ec, CKM_ECDSA, std::string(32, 'd')).code == CKR_OK;
        if (i == 0) answered += client.Sign(own, rsa, CKM_SHA256_RSA_PKCS, "text").code == CKR_OK;
        client.Sign(own, rsa, CKM_RSA_PKCS, std::string(250, 'x'));  // refused
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      RawClient client(world.keys());
      if (client.Greet() != CKR_OK) continue;
      const CK_SESSION_HANDLE own = client.Open();
      const CK_OBJECT_HANDLE key = client.Key(own, "rsa");
      client.Call(Call::kSignInit, "uMu",
                  Number(own) + MechanismOctets(CKM_SHA256_RSA_PKCS) + Number(key));
      client.Send(hsm::wire::Frame(99, static_cast<std::uint32_t>(Call::kSign), "uayfy",
                                   Number(own) + Array("text") + Word(256)));
    }
  });
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    world.Replace();
  }
  EXPECT_TRUE(world.WaitState(hsm::TokenState::kOperational, 5));
  EXPECT_TRUE(world.manager().token().SignDigest(world.Key("ec").id, hsm::SignScheme::kEcdsa,
                                                 hsm::HashAlgorithm::kSha256,
                                                 std::string(32, 'm')));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Within(5, [&] {
    const auto use = world.manager().Use();
    if (!use) return false;
    std::int64_t sum = use.value().proofs + use.value().undelivered;
    for (const hsm::UseRow& row : use.value().rows) sum += row.count;
    return use.value().made == sum;
  }));
  const auto use = world.manager().Use().value();
  std::int64_t given = 0;
  for (const hsm::UseRow& row : use.rows) {
    EXPECT_EQ(row.uid, static_cast<std::int64_t>(::geteuid()));
    EXPECT_THAT(row.mechanism, HasSubstr("CKM_"));
    given += row.purpose.empty() ? 0 : row.count;
  }
  EXPECT_GE(given, answered);
  EXPECT_GT(answered, 100);
}

}  // namespace
}  // namespace signet::testing

// SPEC B11: signet-keyd is killed, and what systemd kept of it lets its clients go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "tests/keyd/fd_store.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::wire::Call;

class Survival : public ::testing::Test {
 protected:
  Survival() : world({}, false), store(world.Path("notify.sock")) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    Begin();
    world.MakeKeys({{.purpose = "ec"}});
  }
  void Begin() { world.Took(store.Start(world.Command(), world.Path("out"), world.Path("log"))); }
  // Between an answer and the note that it was given lies a moment: then the client is closed.
  static void Rest() { std::this_thread::sleep_for(std::chrono::milliseconds(100)); }
  void KillAndBegin() {
    world.Kill();
    Begin();
  }
  CK_RV Sign(const StockClient& client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    return client.Sign(session, key, CKM_ECDSA, std::string(32, 'd')).code;
  }
  KeydWorld world;
  FdStore store;
};

TEST_F(Survival, OfClientsAtRestIsWhole) {
  EXPECT_TRUE(store.ready());
  EXPECT_EQ(store.Count("listener"), 2u);
  EXPECT_EQ(store.Count("flags"), 1u);
  std::vector<std::unique_ptr<StockClient>> clients;
  std::vector<CK_SESSION_HANDLE> sessions;
  std::vector<CK_OBJECT_HANDLE> keys;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<StockClient>(world.keys()));
    sessions.push_back(clients.back()->Open());
    keys.push_back(clients.back()->Key(sessions.back(), "ec"));
  }
  for (int round = 0; round < 3; ++round) {
    Rest();
    KillAndBegin();
    for (std::size_t i = 0; i < clients.size(); ++i)
      EXPECT_EQ(Sign(*clients[i], sessions[i], keys[i]), CKR_OK) << round << " " << i;
  }
  const StockClient late(world.keys());
  EXPECT_NE(late.Open(), 0u);
  // Who leaves is forgotten by systemd, too.
  clients.clear();
  EXPECT_TRUE(Within(5, [&] { return store.Count("client-") <= 8; })) << store.Count("client-");
}

// Sessions that are opened after a kill never have the number of one that a client still has.
TEST_F(Survival, GivesNewSessionsNumbersOfTheirOwn) {
  const StockClient client(world.keys());
  std::vector<CK_SESSION_HANDLE> sessions = {client.Open(), client.Open()};
  for (int round = 0; round < 3; ++round) {
    Rest();
    KillAndBegin();
    sessions.push_back(client.Open());
    sessions.push_back(client.Open());
  }
  const CK_OBJECT_HANDLE key = client.Key(sessions.front(), "ec");
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  for (const CK_SESSION_HANDLE session : sessions)
    EXPECT_EQ(client->C_SignInit(session, &ecdsa, key), CKR_OK) << session;
  std::string digest(32, 'd'), room(64, '\0');
  for (const CK_SESSION_HANDLE session : sessions) {
    CK_ULONG size = room.size();
    EXPECT_EQ(client->C_Sign(session, reinterpret_cast<CK_BYTE*>(digest.data()), 32,
                             reinterpret_cast<CK_BYTE*>(room.data()), &size),
              CKR_OK);
  }
  CK_SESSION_INFO info{};
  EXPECT_EQ(client->C_GetSessionInfo(sessions.back() + 1'000'000'000'000, &info),
            CKR_SESSION_HANDLE_INVALID);
}

// What a process knew of an operation is gone with it: the call fails, the client goes on.
TEST_F(Survival, LosesOperationsThatWereBegun) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  const CK_OBJECT_HANDLE key = client.Key(session, "ec");
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  ASSERT_EQ(client->C_SignInit(session, &ecdsa, key), CKR_OK);
  Rest();
  KillAndBegin();
  std::string digest(32, 'd'), room(64, '\0');
  CK_ULONG size = room.size();
  EXPECT_EQ(client->C_Sign(session, reinterpret_cast<CK_BYTE*>(digest.data()), 32,
                           reinterpret_cast<CK_BYTE*>(room.data()), &size),
            CKR_OPERATION_NOT_INITIALIZED);
  EXPECT_EQ(Sign(client, session, key), CKR_OK);
}

// Half a request is lost with the process that read it: its client is told, not left waiting.
TEST_F(Survival, ClosesThoseInTheMiddleOfARequest) {
  RawClient half(world.keys()), idle(world.keys()), silent(world.keys());
  ASSERT_EQ(half.Greet(), CKR_OK);
  ASSERT_EQ(idle.Greet(), CKR_OK);
  const std::string frame = hsm::wire::Frame(5, static_cast<std::uint32_t>(Call::kGetInfo), "", "");
  half.Send(frame.substr(0, 17));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  world.Kill();
  // A request that came while nobody was there.
  idle.Send(frame);
  Begin();
  EXPECT_TRUE(half.Closes(3));
  EXPECT_TRUE(silent.Closes(3));
  EXPECT_TRUE(idle.ReadAnswer().has_value());
}

// The manager is asked for his credential anew.
TEST_F(Survival, OfTheManagersConnectionsNeedsTheCredential) {
  RawClient manager(world.management());
  ASSERT_EQ(manager.Greet("the manager's word"), CKR_OK);
  const auto state = [&] {
    return manager.Call(Call::kControl, "zay", Octets("state") + Array("")).error;
  };
  EXPECT_EQ(state(), CKR_OK);
  Rest();
  KillAndBegin();
  EXPECT_EQ(state(), CKR_CRYPTOKI_NOT_INITIALIZED);
  EXPECT_EQ(manager.Call(Call::kInitialize, "ayyay", HelloArguments("the manager's word")).error,
            CKR_OK);
  EXPECT_EQ(state(), CKR_OK);
  // signetd itself takes that up by itself.
  KillAndBegin();
  EXPECT_TRUE(Within(10, [&] { return world.manager().Probe().has_value(); }));
  EXPECT_TRUE(world.manager().token().SignDigest(world.Key("ec").id, hsm::SignScheme::kEcdsa,
                                                 hsm::HashAlgorithm::kSha256,
                                                 std::string(32, 'd')));
}

TEST_F(Survival, OfSuccessorsAndKillsInTurn) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  const CK_OBJECT_HANDLE key = client.Key(session, "ec");
  for (int round = 0; round < 3; ++round) {
    world.Replace();
    EXPECT_EQ(Sign(client, session, key), CKR_OK);
    Rest();
    KillAndBegin();
    EXPECT_EQ(Sign(client, session, key), CKR_OK);
    const StockClient late(world.keys());
    EXPECT_NE(late.Open(), 0u);
  }
  EXPECT_EQ(store.Count("listener"), 2u);
  EXPECT_EQ(store.Count("flags"), 1u);
}

// systemctl restart: an orderly end and a new start.
TEST_F(Survival, OfAnOrderlyEndIsTheSame) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  const CK_OBJECT_HANDLE key = client.Key(session, "ec");
  EXPECT_EQ(world.Stop(), 0);
  Begin();
  EXPECT_EQ(Sign(client, session, key), CKR_OK);
  const StockClient late(world.keys());
  EXPECT_NE(late.Open(), 0u);
}

// Measured: clients that sign without a pause while it is killed again and again.
TEST_F(Survival, UnderLoadLosesAFewCallsAndConnections) {
  constexpr int kClients = 8, kRounds = 6;
  std::atomic<bool> stop{false};
  std::atomic<int> good{0}, begun_lost{0}, closed{0}, other{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      std::optional<StockClient> client;
      CK_SESSION_HANDLE session = 0;
      CK_OBJECT_HANDLE key = 0;
      while (!stop) {
        if (!client) {
          client.emplace(world.keys());
          if (!client->Served()) {
            client.reset();
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            continue;
          }
          session = client->Open();
          key = client->Key(session, "ec");
        }
        const CK_RV code = Sign(*client, session, key);
        good += code == CKR_OK;
        begun_lost += code == CKR_OPERATION_NOT_INITIALIZED;
        if (code == CKR_DEVICE_ERROR || code == CKR_DEVICE_REMOVED) {
          ++closed;
          client.reset();
        } else if (code != CKR_OK && code != CKR_OPERATION_NOT_INITIALIZED) {
          ADD_FAILURE() << "unexpected " << code;
          ++other;
        }
        // As a server does: more time between handshakes than in them.
        std::this_thread::sleep_for(std::chrono::milliseconds(i % 4));
      }
    });
  }
  double longest = 0;
  for (int i = 0; i < kRounds; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const auto begin = std::chrono::steady_clock::now();
    KillAndBegin();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    longest = std::max(longest, took.count());
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::cout << kRounds << " kills under " << kClients << " clients: " << good << " signatures, "
            << begun_lost << " lost between C_SignInit and C_Sign, " << closed
            << " connections closed; down for at most " << longest << " s\n";
  EXPECT_GT(good, 100);
  EXPECT_LT(closed, kClients * kRounds);
}

}  // namespace
}  // namespace signet::testing

// ABUSE 85, 87, 89: clients of signet-keyd that mean no good. The process lives, stays small and
// serves others meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "platform/users.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::wire::Call;
using hsm::wire::Frame;

constexpr char kServices[] = R"(
[service.web]
user = "www-data"
)";

std::string Header(std::uint32_t code, std::uint32_t options, std::uint32_t body) {
  return Word(code) + Word(options) + Word(body);
}

std::string FrameOf(Call call, std::string_view signature, std::string_view arguments) {
  return Frame(7, static_cast<std::uint32_t>(call), signature, arguments);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kSlack = 100;  // sanitizers keep what is freed
#else
constexpr std::size_t kSlack = 1;
#endif

class Hostile : public ::testing::Test {
 protected:
  Hostile() : world({.services = kServices}) {
    world.MakeKeys({{.purpose = "tomcat", .services = {"web"}}});
    victim.emplace(world.keys());
    session = victim->Open();
    key = victim->Key(session, "tomcat");
    ExpectServed();
    before = world.ResidentKib();
    descriptors = world.Descriptors();
  }
  void ExpectServed() {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(victim->Sign(session, key, CKM_ECDSA, std::string(32, 'd')).code, CKR_OK);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  }
  // It lives, others are served, and it is as small as before (in MiB more).
  void ExpectUnharmed(std::size_t mebibytes = 4) {
    ASSERT_TRUE(world.running());
    ExpectServed();
    EXPECT_TRUE(
        Within(10, [&] { return world.ResidentKib() <= before + mebibytes * 1024 * kSlack; }))
        << world.ResidentKib() << " KiB, before " << before;
    EXPECT_TRUE(Within(10, [&] { return world.Descriptors() <= descriptors; }))
        << world.Descriptors() << ", before " << descriptors;
  }
  RawClient Greeted() {
    RawClient client(world.keys());
    EXPECT_EQ(client.Greet(), CKR_OK);
    return client;
  }
  KeydWorld world;
  std::optional<StockClient> victim;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE key = 0;
  std::size_t before = 0, descriptors = 0;
};

TEST_F(Hostile, GarbageEndsItsOwnConnectionAlone) {
  std::mt19937 random(4711);
  for (int round = 0; round < 300; ++round) {
    RawClient client = round % 2 == 0 ? RawClient(world.keys()) : Greeted();
    std::string garbage(1 + random() % 3000, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    client.Send(garbage);
  }
  ExpectUnharmed();
}

TEST_F(Hostile, LengthsBeyondEveryMessageCloseAtOnceAndTakeNoMemory) {
  for (const std::string& header :
       {Header(1, 0, 1u << 30), Header(1, 0, 0xffffffff), Header(1, 1u << 30, 20),
        Header(1, 0xffffffff, 0xffffffff), Header(1, 4097, 20), Header(0, 0, 20), Header(1, 0, 0),
        Header(1, 0, 7), Header(1, 0, 100000)}) {
    RawClient client = Greeted();
    EXPECT_TRUE(client.Send(header));
    EXPECT_TRUE(client.Closes(5));
  }
  ExpectUnharmed();
}

// A body whose own lengths lie: each is one message, answered by an error.
TEST_F(Hostile, LengthsWithinAMessageThatLieAreErrors) {
  RawClient client = Greeted();
  const CK_SESSION_HANDLE own = client.Open();
  const std::string session_octets = Number(own);
  const CK_OBJECT_HANDLE object = client.Key(own, "tomcat");
  const struct {
    Call call;
    std::string_view signature;
    std::string arguments;
  } rows[] = {
      {Call::kFindObjectsInit, "uaA", session_octets + Word(0xffffffff)},
      {Call::kFindObjectsInit, "uaA", session_octets + Word(65)},
      {Call::kFindObjectsInit, "uaA",
       session_octets + Word(1) + Word(CKA_LABEL) + "\1" + Word(0x80000000) + Word(0x80000000)},
      {Call::kFindObjectsInit, "uaA",
       session_octets + Word(1) + Word(CKA_LABEL) + "\1" + Word(4) + Word(0xfffffffe) + "abcd"},
      {Call::kFindObjectsInit, "uaA",
       session_octets + Word(1) + Word(CKA_CLASS) + "\1" + Word(2) + Number(3)},
      {Call::kGetAttributeValue, "uufA", session_octets + Number(object) + Word(0xffffffff)},
      {Call::kGetAttributeValue, "uufA",
       session_octets + Number(object) + Word(0x40000000) + Word(CKA_ID) + Word(16)},
      {Call::kSign, "uayfy", session_octets + "\1" + Word(0xffffffff) + Word(64)},
      {Call::kSign, "uayfy", session_octets + "\1" + Word(1u << 31) + "abc" + Word(64)},
      {Call::kSignInit, "uMu", session_octets + Word(CKM_RSA_PKCS_PSS) + Word(1u << 31)},
      {Call::kSignUpdate, "uay", session_octets + std::string(1, '\0') + Word(1u << 31)},
      {Call::kInitialize, "ayyay", "\1" + Word(0x7fffffff)},
      {Call::kLogin, "uuay", session_octets + Number(1) + "\1" + Word(0xfffffff0)},
      {Call::kOpenSession, "uu", Number(1)},
      {Call::kGetSlotList, "yfu", "\1"},
      {Call::kCloseSession, "u", session_octets + "more"},
      {Call::kCloseSession, "uu", session_octets},
      {Call::kCloseSession, std::string_view("\0\0\0\0", 4), session_octets},
  };
  for (const auto& row : rows) {
    const auto answer = client.Call(row.call, row.signature, row.arguments);
    EXPECT_TRUE(answer.there) << row.signature;
    EXPECT_NE(answer.error, CKR_OK) << row.signature;
  }
  EXPECT_EQ(client.Sign(own, object, MechanismOctets(CKM_ECDSA), std::string(32, 'd')), CKR_OK);
  client.Close();
  ExpectUnharmed();
}

// Templates within templates, of which other servers have died.
TEST_F(Hostile, NestedTemplatesAreNotRead) {
  RawClient client = Greeted();
  const CK_SESSION_HANDLE own = client.Open();
  std::string nested;
  while (nested.size() < 80000) nested += Word(1) + Word(0x40000211) + "\1" + Word(24);
  EXPECT_EQ(client.Call(Call::kFindObjectsInit, "uaA", Number(own) + nested).error,
            CKR_ARGUMENTS_BAD);
  std::string wanted = Number(own) + Number(client.Key(own, "tomcat")) + Word(1);
  while (wanted.size() < 80000) wanted += Word(0x40000211) + Word(24) + Word(1);
  EXPECT_EQ(client.Call(Call::kGetAttributeValue, "uufA", wanted).error, CKR_ARGUMENTS_BAD);
  client.Close();
  ExpectUnharmed();
}

// The size of a buffer is the client's affair: nothing is made of that size.
TEST_F(Hostile, RequestsForTwoGibibytesOfAttributesGiveWhatThereIs) {
  RawClient client = Greeted();
  const CK_SESSION_HANDLE own = client.Open();
  std::string arguments = Number(own) + Number(client.Key(own, "tomcat")) + Word(64);
  for (int i = 0; i < 64; ++i) arguments += Word(CKA_EC_POINT) + Word(0x7fffffff);
  const auto answer = client.Call(Call::kGetAttributeValue, "uufA", arguments);
  EXPECT_EQ(answer.error, CKR_OK);
  EXPECT_LT(answer.arguments.size(), 10000u);
  client.Close();
  ExpectUnharmed();
}

TEST_F(Hostile, EveryCallIdThatThereIsOrIsNotIsAnswered) {
  RawClient client = Greeted();
  const std::string_view signatures[] = {"", "u", "uay", "uMu", "uufA"};
  for (std::uint32_t id = 0; id < 300; ++id) {
    for (const std::string_view signature : signatures) {
      const auto answer =
          client.Call(static_cast<Call>(id), signature, Number(1) + std::string(20, '\0'));
      ASSERT_TRUE(answer.there) << id;
      EXPECT_EQ(answer.call, 0u) << id;
    }
  }
  for (const std::uint32_t id : {0x53470001u, 0x7fffffffu, 0xffffffffu, 0x80000000u}) {
    EXPECT_EQ(client.Call(static_cast<Call>(id), "zay", Octets("state") + Array("")).error,
              CKR_FUNCTION_NOT_SUPPORTED);
  }
  client.Close();
  ExpectUnharmed();
}

TEST_F(Hostile, NothingIsDoneBeforeInitializeOrWithAnotherHandshake) {
  RawClient client(world.keys());
  ASSERT_TRUE(client.Send(std::string(1, '\7')));
  EXPECT_EQ(client.Receive(1), std::string(1, '\0'));
  EXPECT_EQ(client.Call(Call::kOpenSession, "uu", Number(1) + Number(CKF_SERIAL_SESSION)).error,
            CKR_CRYPTOKI_NOT_INITIALIZED);
  EXPECT_NE(
      client.Call(Call::kInitialize, "ayyay", Array("ANOTHER-PROTOCOL") + "\1" + Array("")).error,
      CKR_OK);
  EXPECT_EQ(client.Call(Call::kOpenSession, "uu", Number(1) + Number(CKF_SERIAL_SESSION)).error,
            CKR_CRYPTOKI_NOT_INITIALIZED);
}

// Silence before C_Initialize, half a message, one octet at a time, an answer that is not read.
TEST_F(Hostile, ClientsThatKeepOthersWaitingAreClosed) {
  RawClient silent(world.keys()), half = Greeted(), deaf = Greeted(), idle = Greeted();
  RawClient slow = Greeted(), slow_greeting(world.keys());
  half.Send(Header(1, 0, 1000) + "half");
  std::atomic<bool> stop{false};
  std::thread trickle([&] {
    slow.Send(Header(1, 0, 1000));
    slow_greeting.Send(std::string(1, '\0') + Header(1, 0, 70));
    for (int i = 0; i < 40 && !stop; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      slow.Send("x");
      slow_greeting.Send("x");
    }
  });
  std::thread flood([&] {
    const timeval for_ever{};
    ::setsockopt(deaf.fd(), SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof for_ever);
    const std::string frame = FrameOf(Call::kGetInfo, "", "");
    std::string many;
    for (int i = 0; i < 1000; ++i) many += frame;
    while (!stop && deaf.Send(many)) continue;
  });
  std::this_thread::sleep_for(std::chrono::seconds(2));
  ExpectServed();
  EXPECT_TRUE(silent.Closes(12));
  EXPECT_TRUE(half.Closes(2));
  EXPECT_TRUE(slow.Closes(2));
  EXPECT_TRUE(slow_greeting.Closes(2));
  // The flood ends when the other side closes.
  flood.join();
  stop = true;
  trickle.join();
  // Who is initialised may be silent for as long as it likes.
  EXPECT_NE(idle.Open(), 0u);
  for (RawClient* client : {&silent, &half, &slow, &slow_greeting, &deaf, &idle}) client->Close();
  ExpectUnharmed();
}

// More clients that send and read without end than there are threads.
TEST_F(Hostile, ClientsThatNeverPauseLeaveTimeForOthers) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      RawClient client = Greeted();
      const std::string frame = FrameOf(Call::kGetInfo, "", "");
      std::string many;
      for (int j = 0; j < 200; ++j) many += frame;
      std::thread reader([&] {
        char buffer[65536];
        while (::recv(client.fd(), buffer, sizeof buffer, 0) > 0) continue;
      });
      while (!stop) client.Send(many);
      ::shutdown(client.fd(), SHUT_RDWR);
      reader.join();
    });
  }
  for (int i = 0; i < 20; ++i) {
    ExpectServed();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  RawClient late = Greeted();
  EXPECT_NE(late.Open(), 0u);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  late.Close();
  ExpectUnharmed();
}

TEST_F(Hostile, WhoLeavesInTheMiddleOfASignatureHarmsNobody) {
  for (int i = 0; i < 200; ++i) {
    RawClient client = Greeted();
    const CK_SESSION_HANDLE own = client.Open();
    const CK_OBJECT_HANDLE object = client.Key(own, "tomcat");
    client.Call(Call::kSignInit, "uMu", Number(own) + MechanismOctets(CKM_ECDSA) + Number(object));
    client.Send(
        FrameOf(Call::kSign, "uayfy", Number(own) + Array(std::string(32, 'd')) + Word(64)));
    if (i % 2 == 0) {
      const linger hard{1, 0};
      ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
  }
  ExpectUnharmed();
}

// ABUSE 89: descriptors that are passed on are not taken.
TEST_F(Hostile, PassedDescriptorsAreDropped) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 50; ++i) {
    RawClient client = Greeted();
    std::string frame = FrameOf(Call::kGetInfo, "", "");
    iovec data{frame.data(), frame.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(8 * sizeof(int));
    int passed[8];
    std::fill(std::begin(passed), std::end(passed), client.fd());
    std::memcpy(CMSG_DATA(head), passed, sizeof passed);
    ASSERT_GT(::sendmsg(client.fd(), &message, MSG_NOSIGNAL), 0);
    EXPECT_TRUE(client.ReadAnswer().has_value());
    clients.push_back(std::move(client));
  }
  EXPECT_LE(world.Descriptors(), descriptors + clients.size());
  clients.clear();
  ExpectUnharmed();
}

// What a worker has of its master's: the connection is no right to use the key.
TEST_F(Hostile, AConnectionThatAnotherUserWritesToIsClosed) {
  if (!IsRoot()) GTEST_SKIP() << "becomes other users of the machine";
  RawClient master = Greeted();
  const CK_SESSION_HANDLE own = master.Open();
  const CK_OBJECT_HANDLE object = master.Key(own, "tomcat");
  EXPECT_EQ(master.Sign(own, object, MechanismOctets(CKM_ECDSA), std::string(32, 'x')), CKR_OK);
  const std::string question = FrameOf(Call::kGetInfo, "", "");
  const uid_t nobody = FindUser("nobody").value().uid;
  const pid_t worker = ::fork();
  if (worker == 0) {
    const bool asked = ::setresuid(nobody, nobody, nobody) == 0 &&
                       ::write(master.fd(), question.data(), question.size()) > 0;
    ::_exit(asked ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(worker, &status, 0), worker);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(master.ReadAnswer(5)) << "another user was answered";
  EXPECT_EQ(Greeted().Open(), 1u);
}

// Everything that a connection may hold, on as many as one user may have.
TEST_F(Hostile, WhatClientsLeaveLyingIsBoundedAsAWhole) {
  const std::string part(60000, 'p');
  std::vector<RawClient> clients;
  std::size_t peak = 0;
  for (int i = 0; i < 300; ++i) {
    RawClient client = Greeted();
    CK_OBJECT_HANDLE object = 0;
    bool there = true;
    for (int j = 0; j < 8 && there; ++j) {
      const CK_SESSION_HANDLE own = client.Open();
      if (object == 0) object = client.Key(own, "tomcat");
      const std::string init = Number(own) + MechanismOctets(CKM_ECDSA) + Number(object);
      there = client.Call(Call::kSignInit, "uMu", init).there;
      if (!there) break;
      const auto answer = client.Call(Call::kSignUpdate, "uay", Number(own) + Array(part));
      there = answer.there;
      EXPECT_TRUE(!there || answer.error == CKR_OK) << answer.error;
    }
    // And half of the longest message.
    if (there) client.Send(Header(9, 0, 96 * 1024) + std::string(90000, 'h'));
    clients.push_back(std::move(client));
    peak = std::max(peak, world.ResidentKib());
  }
  const auto closed = std::count_if(clients.begin(), clients.end(),
                                    [](RawClient& client) { return client.Closes(0.02); });
  EXPECT_GT(closed, 100);
  EXPECT_LT(peak, before + 80 * 1024 * kSlack);
  std::cout << "resident: " << before << " KiB before, " << peak << " KiB at most\n";
  ExpectServed();
  clients.clear();
  ExpectUnharmed(8);
}

// ABUSE 85: each user has its own bound, all have one, and the manager has a reserve.
TEST_F(Hostile, TenThousandConnectionsAreTurnedAwayBeyondTheBounds) {
  if (!IsRoot()) GTEST_SKIP() << "becomes other users of the machine";
  rlimit limit{20000, 20000};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) GTEST_SKIP() << "needs 20,000 descriptors";
  std::vector<RawClient> clients;
  clients.reserve(10000);
  const auto connect = [&](int count) {
    for (int i = 0; i < count; ++i) clients.emplace_back(world.keys());
  };
  const auto open = [&] {
    std::vector<pollfd> all;
    for (const RawClient& client : clients) all.push_back({client.fd(), POLLIN | POLLRDHUP, 0});
    ::poll(all.data(), all.size(), 0);
    return std::count_if(all.begin(), all.end(),
                         [](const pollfd& one) { return one.revents == 0; });
  };
  AsUser("www-data", [&] { connect(5000); });
  EXPECT_TRUE(Within(10, [&] { return open() == 1024; })) << open();
  ExpectServed();
  connect(5000);
  // The manager's connections are those of the same user here.
  EXPECT_TRUE(Within(5, [&] { return open() > 2000 && open() < 2048; })) << open();
  EXPECT_TRUE(Within(5, [&] {
    return world.Log().find("this user has too many connections") != std::string::npos;
  }));
  ExpectServed();
  EXPECT_TRUE(world.AnotherManager()->Probe());
  std::cout << "resident with " << open() << " idle connections: " << world.ResidentKib()
            << " KiB\n";
  clients.clear();
  ExpectUnharmed(8);
}

}  // namespace
}  // namespace signet::testing

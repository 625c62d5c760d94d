// Keys that lie with signet-keyd: what its clients get, what nginx pays for a handshake, what
// key.sign costs on top, and what connections weigh.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "hsm/objects.h"
#include "hsm/pkcs11_error.h"
#include "hsm/wire/calls.h"
#include "hsm/wire/message.h"
#include "platform/encoding.h"
#include "tools/bench/handshakes.h"
#include "tools/bench/support.h"

using namespace signet::tools::bench;  // a program's own main

namespace {

using signet::hsm::KeyAlgorithm;
using signet::hsm::KeySpec;

constexpr char kClient[] = SIGNET_P11_KIT_CLIENT;
constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

void Check(CK_RV code, const char* call) {
  if (code != CKR_OK) Die(signet::hsm::CkError(code, call).ToString());
}

// A client of its own connection: session and private key, found by label.
class Client {
 public:
  Client(const std::string& socket, const std::string& label, const std::string& pin)
      : module_(Must(signet::hsm::Module::LoadRemote(kClient, {"unix:path=" + socket, ""}))) {
    Must(module_->Initialize());
    auto& module = *module_;
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    Check(module->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    if (count == 0) Die("no slot behind " + socket);
    Check(module->C_OpenSession(slots[0], CKF_SERIAL_SESSION, nullptr, nullptr, &session_),
          "C_OpenSession");
    if (!pin.empty()) {
      std::string text = pin;
      const CK_RV code = module->C_Login(session_, CKU_USER,
                                         reinterpret_cast<CK_UTF8CHAR*>(text.data()), text.size());
      if (code != CKR_USER_ALREADY_LOGGED_IN) Check(code, "C_Login");
    }
    signet::hsm::Template match;
    match.Number(CKA_CLASS, CKO_PRIVATE_KEY).Bytes(CKA_LABEL, label);
    Check(module->C_FindObjectsInit(session_, match.data(), match.size()), "C_FindObjectsInit");
    Check(module->C_FindObjects(session_, &key_, 1, &count), "C_FindObjects");
    if (count != 1) Die("no private key with label " + label);
    Check(module->C_FindObjectsFinal(session_), "C_FindObjectsFinal");
  }
  void Sign(CK_MECHANISM& mechanism, std::string& data) {
    CK_BYTE signature[512];
    CK_ULONG size = sizeof signature;
    Check((*module_)->C_SignInit(session_, &mechanism, key_), "C_SignInit");
    Check((*module_)->C_Sign(session_, reinterpret_cast<CK_BYTE*>(data.data()), data.size(),
                             signature, &size),
          "C_Sign");
  }

 private:
  std::unique_ptr<signet::hsm::Module> module_;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

// Signatures a second of `count` clients at once.
double Rate(const std::string& socket, const std::string& label, const std::string& pin,
            const KeySpec& spec, int count, double seconds) {
  const bool rsa = spec.algorithm == KeyAlgorithm::kRsa;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(socket, label, pin));
  std::atomic<std::size_t> total{0};
  std::atomic<bool> ended{false};
  std::barrier start(count + 1);
  std::vector<std::thread> threads;
  for (const auto& client : clients) {
    threads.emplace_back([&, one = client.get()] {
      CK_MECHANISM mechanism{rsa ? CKM_RSA_PKCS : CKM_ECDSA, nullptr, 0};
      std::string data = signet::RandomBytes(rsa ? 51 : 32);  // of a DigestInfo's size
      std::size_t done = 0;
      start.arrive_and_wait();
      for (; !ended.load(std::memory_order_relaxed); ++done) one->Sign(mechanism, data);
      total += done;
    });
  }
  start.arrive_and_wait();
  const double took = SecondsOf([&] {
    std::this_thread::sleep_for(Seconds(seconds));
    ended = true;
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(total.load()) / took;
}

int Connect(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    Die("nobody listens on " + path);
  return fd;
}

pid_t PeerOf(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  return credentials.pid;
}

// Connections that have said C_Initialize and are silent since.
void MeasureIdle(const std::string& keys, int count) {
  using namespace signet::hsm::wire;
  std::string arguments;
  Writer writer(arguments);
  writer.Array(kHandshake);
  writer.Byte(0);
  writer.Array(std::string_view("\0", 1));
  const std::string greeting =
      std::string(1, '\0') +
      Frame(1, static_cast<std::uint32_t>(Call::kInitialize), "ayyay", arguments);
  std::vector<int> idle;
  for (int i = 0; i < count; ++i) {
    idle.push_back(Connect(keys));
    char answer[64];
    if (write(idle.back(), greeting.data(), greeting.size()) < 0 ||
        read(idle.back(), answer, sizeof answer) <= 0) {
      Die("signet-keyd does not greet");
    }
  }
  std::this_thread::sleep_for(Seconds(0.5));
  const pid_t keyd = PeerOf(idle.front());
  std::printf("signet-keyd with %d idle connections: VmRSS %.1f MB, of these %.1f anonymous\n",
              count, Memory(keyd, "VmRSS:"), Memory(keyd, "RssAnon:"));
  for (const int fd : idle) close(fd);
}

struct Kind {
  const char* name;
  const char* purpose;
  KeySpec spec;
};
constexpr Kind kKinds[] = {{"RSA-2048", "tomcat", {KeyAlgorithm::kRsa, 2048}},
                           {"P-256", "tomcat-ECDSA", {KeyAlgorithm::kEc, 256}}};

// The same key kind, signed for in turns: directly, through the stock server, through signet-keyd,
// and by key.sign.
void MeasureSigning(const Options& options, const Daemon& daemon, const std::string& keys,
                    DirectToken& direct, const std::string& stock, const Kind& kind) {
  CK_OBJECT_HANDLE key = 0;
  {
    signet::hsm::Session session = direct.Open();
    key = direct.Generate(session, kind.spec, kind.name);
  }
  const std::string request =
      RpcRequest("key.sign", {{"purpose", kind.purpose},
                              {"hash", "sha256"},
                              {"digest", signet::Base64Encode(signet::RandomBytes(32))}});
  struct Column {
    const char* name;
    std::function<double()> measure;
    std::vector<double> rates = {}, to_direct = {}, to_stock = {};
  };
  const double seconds = options.seconds;
  std::vector<Column> columns = {
      {"direct, 1 thread", [&] { return direct.SignRate(key, kind.spec, 1, seconds); }},
      {"p11-kit server, 1 client",
       [&] { return Rate(stock, kind.name, kBenchPin, kind.spec, 1, seconds); }},
      {"signet-keyd, 1 client",
       [&] { return Rate(keys, kind.purpose, "", kind.spec, 1, seconds); }},
      {"p11-kit server, 4 clients",
       [&] { return Rate(stock, kind.name, kBenchPin, kind.spec, 4, seconds); }},
      {"signet-keyd, 4 clients",
       [&] { return Rate(keys, kind.purpose, "", kind.spec, 4, seconds); }},
      {"key.sign, 8 in flight",
       [&] { return signet::tools::bench::Rate(daemon.socket(), request, 8, seconds); }},
      {"key.sign, 1 in flight",
       [&] { return signet::tools::bench::Rate(daemon.socket(), request, 1, seconds); }},
  };
  std::vector<double> two;
  for (int round = 0; round < options.rounds; ++round) {
    two.push_back(direct.SignRate(key, kind.spec, 2, seconds));
    for (Column& column : columns) {
      column.rates.push_back(column.measure());
      column.to_direct.push_back(column.rates.back() / two.back());
    }
    for (const int mine : {2, 4}) {
      Column& keyd = columns[static_cast<std::size_t>(mine)];
      keyd.to_stock.push_back(keyd.rates.back() /
                              columns[static_cast<std::size_t>(mine) - 1].rates.back());
    }
  }
  std::printf("%-9s %-26s %10.0f/s\n", kind.name, "direct, 2 threads", Median(two));
  for (const Column& column : columns) {
    std::printf("%-9s %-26s %10.0f/s  %5.2f of direct", kind.name, column.name,
                Median(column.rates), Median(column.to_direct));
    if (!column.to_stock.empty())
      std::printf("  %5.2f of the stock server", Median(column.to_stock));
    std::printf("\n");
  }
}

void MeasureHandshakes(const Options& options, const ScratchFolder& scratch, const Daemon& daemon,
                       const std::string& folder, const std::string& keys, const Kind& kind) {
  Connection rpc(daemon.socket());
  const signet::json::value shown = Call(rpc, "certificate.show", {{"purpose", kind.purpose}});
  const signet::json::value loaded =
      Call(rpc, "certificate.download", {{"purpose", kind.purpose}, {"format", "pem"}});
  const std::string uri = signet::json::value_to<std::string>(shown.at("keyUri"));
  const std::string certificate = scratch.Path(std::string(kind.purpose) + ".pem");
  std::ofstream(certificate) << signet::json::value_to<std::string>(loaded.at("content"));
  std::string pin;
  std::ifstream(folder + "/pin") >> pin;
  const int probe = Connect(keys);
  const pid_t keyd = PeerOf(probe);
  close(probe);
  Nginx with_keyd(
      scratch.Path(std::string("nk-") + kind.purpose), certificate, uri,
      {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + keys}, {"PKCS11_MODULE_PATH", kClient}});
  Nginx alone(scratch.Path(std::string("na-") + kind.purpose), certificate,
              uri + "?pin-value=" + pin,
              {{"SOFTHSM2_CONF", folder + "/softhsm2.conf"}, {"PKCS11_MODULE_PATH", kSoftHsm}});
  std::vector<double> keyd_cost, alone_cost, ratio, rates;
  for (int round = 0; round < options.rounds; ++round) {
    const HandshakeCost mine = MeasureCost(with_keyd, keyd, options.seconds);
    const HandshakeCost own = MeasureCost(alone, 0, options.seconds);
    keyd_cost.push_back(mine.micros);
    alone_cost.push_back(own.micros);
    ratio.push_back(mine.micros / own.micros);
    rates.push_back(mine.rate);
  }
  std::printf(
      "%-9s nginx, TLS 1.3 handshakes: %.0f us of server CPU each with signet-keyd (its own "
      "included), %.0f us with a worker that opens the token: %.2f; %.0f a second\n",
      kind.name, Median(keyd_cost), Median(alone_cost), Median(ratio), Median(rates));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv);
  const ScratchFolder scratch;
  const std::string folder = scratch.Path("dev");
  const Daemon daemon(folder);
  daemon.WaitUntilReady();
  const std::string keys = folder + "/keys.sock";
  DirectToken direct(scratch.Path("token"));
  const std::string stock = scratch.Path("stock.sock");
  const Program server({"p11-kit", "server", "-f", "--provider", kSoftHsm, "-n", stock,
                        std::string("pkcs11:token=") + kBenchLabel},
                       scratch.Path("p11-kit.log"));
  PrintMachine();
  std::printf("medians of %d rounds of %.1f s\n", options.rounds, options.seconds);
  for (const Kind& kind : kKinds) MeasureSigning(options, daemon, keys, direct, stock, kind);
  for (const Kind& kind : kKinds) MeasureHandshakes(options, scratch, daemon, folder, keys, kind);
  MeasureIdle(keys, 500);
}

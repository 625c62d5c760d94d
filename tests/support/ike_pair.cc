#include "tests/support/ike_pair.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <regex>

namespace signet::testing {
namespace {

constexpr char kDaemon[] = "/usr/sbin/charon-systemd";
constexpr char kPlugin[] = "/usr/lib/ipsec/plugins/libstrongswan-pkcs11.so";
constexpr char kWire[] = "wire";

// The first group of `pattern`, empty without a match.
std::string Find(const std::string& text, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : "";
}

std::string SerialOf(const std::string& pem) {
  const std::string text = MustRun({"openssl", "x509", "-noout", "-serial"}, {pem, "", {}});
  return Find(text, "serial=([0-9A-F]+)");
}

}  // namespace

std::string IkePair::WhyNot() {
  if (::geteuid() != 0) return "only root can make networks";
  for (const char* file : {kDaemon, kPlugin, "/usr/sbin/swanctl", kP11KitClient}) {
    if (!std::filesystem::exists(file)) return std::string(file) + " is not installed";
  }
  return WhyNoNamespaces();
}

IkePair::IkePair(const Snippet& snippet, const KeyAccess& access, const Peer& peer)
    : access_(access) {
  token_ = {"token",       "10.99.0.1", "10.99.0.2", snippet.inner + "\nremote {\nauth = pubkey\n}",
            snippet.outer, nullptr};
  peer_ = {"peer",
           "10.99.0.2",
           "10.99.0.1",
           "local {\nauth = pubkey\ncerts = " + peer.certificate +
               "\n}\nremote {\nauth = pubkey\nid = %any\ncacerts = " + peer.trust + "\n}",
           "",
           nullptr};
  own_serial_ = SerialOf(ReadWhole(peer.certificate));
  Write(token_, access.module);
  Write(peer_, "");
  std::filesystem::copy_file(peer.key, folder_ / "peer/private/peer.key");
}

IkePair::~IkePair() {
  if (::testing::Test::HasFailure()) std::cerr << Log();
}

// One setting a line: a value goes on to the end of its line.
void IkePair::Write(const Side& side, const std::string& module) const {
  const std::string own = folder_ / side.name;
  std::filesystem::create_directories(own + "/private");
  const std::string token = module.empty() ? ""
                                           : "pkcs11 {\nmodules {\nsignet {\npath = " + module +
                                                 "\nload_certs = no\nos_locking = yes\n}\n}\n}\n";
  WriteWhole(own + "/strongswan.conf",
             "charon-systemd {\nload = random nonce openssl kdf pem pkcs1 pkcs8 x509 pubkey "
             "constraints kernel-netlink socket-default vici" +
                 std::string(module.empty() ? "" : " pkcs11") +
                 "\njournal {\ndefault = -1\n}\nfilelog {\nall {\npath = " + own +
                 "/log\ndefault = 1\nflush_line = yes\n}\n}\nplugins {\nvici {\nsocket = unix://" +
                 own + "/vici\n}\n" + token +
                 "}\n}\nswanctl {\nload = random openssl pem pkcs1 pkcs8 x509 pubkey\n}\n");
  WriteWhole(
      own + "/swanctl.conf",
      side.outer + "\nconnections {\nsite {\nversion = 2\nchildless = force\nlocal_addrs = " +
          side.address + "\nremote_addrs = " + side.other + "\n" + side.connection + "\n}\n}\n");
}

void IkePair::Start() {
  for (Side* side : {&token_, &peer_}) {
    RunOptions options;
    options.family = options.network = true;
    options.command.environment["STRONGSWAN_CONF"] = folder_ / side->name + "/strongswan.conf";
    if (side == &token_) options.command.environment["P11_KIT_SERVER_ADDRESS"] = access_.address;
    side->daemon = std::make_unique<RunningProgram>(std::vector<std::string>{kDaemon}, options);
  }
  Join();
  for (const Side* side : {&token_, &peer_}) {
    const std::string socket = folder_ / side->name + "/vici";
    EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(socket); }, Seconds(20))) << Log();
    Load(*side);
  }
}

void IkePair::Join() const {
  const std::string one = std::to_string(token_.daemon->pid());
  const std::string two = std::to_string(peer_.daemon->pid());
  MustRun({"ip", "link", "add", kWire, "netns", one, "type", "veth", "peer", "name", kWire, "netns",
           two});
  for (const Side* side : {&token_, &peer_}) {
    const std::string network = "--net=/proc/" + std::to_string(side->daemon->pid()) + "/ns/net";
    MustRun({"nsenter", network, "ip", "addr", "add", side->address + "/24", "dev", kWire});
    for (const char* link : {"lo", kWire})
      MustRun({"nsenter", network, "ip", "link", "set", link, "up"});
  }
}

Outcome IkePair::Control(const Side& side, std::vector<std::string> words) const {
  const std::string own = folder_ / side.name;
  words.insert(words.begin(), {"timeout", "20", "swanctl"});
  words.insert(words.end(), {"--uri", "unix://" + own + "/vici"});
  CommandOptions options;
  options.environment = {{"STRONGSWAN_CONF", own + "/strongswan.conf"}, {"SWANCTL_DIR", own}};
  return RunProgram(words, options);
}

void IkePair::Load(const Side& side) const {
  const Outcome loaded =
      Control(side, {"--load-all", "--noprompt", "--file", folder_ / side.name + "/swanctl.conf"});
  EXPECT_EQ(loaded.code, 0) << loaded.out << loaded.err;
}

void IkePair::Reload() const { Load(token_); }

std::optional<IkePair::Sa> IkePair::Connect() const {
  // What the peer knows afterwards it was shown this time.
  EXPECT_EQ(Control(peer_, {"--flush-certs"}).code, 0);
  static_cast<void>(Control(token_, {"--terminate", "--ike", "site", "--force"}));
  if (Control(token_, {"--initiate", "--ike", "site"}).code != 0) return std::nullopt;
  const std::string all = Control(peer_, {"--list-sas", "--raw"}).out;
  Sa sa{Find(all, "state=(\\S+)"), Find(all, "remote-id=(.*?) initiator"), ""};
  // Certificates of no authority are its own one and that.
  const Outcome leaves =
      Control(peer_, {"--list-certs", "--type", "x509", "--flag", "none", "--pem"});
  for (const std::string& pem : CertificatesIn(leaves.out)) {
    const std::string serial = SerialOf(pem);
    if (serial != own_serial_) sa.serial = serial;
  }
  return sa;
}

std::string IkePair::Log() const {
  std::string all;
  for (const Side* side : {&token_, &peer_}) {
    all += "--- " + side->name + " said\n" + ReadWhole(folder_ / side->name + "/log") +
           (side->daemon == nullptr ? "" : side->daemon->Output());
  }
  return all;
}

}  // namespace signet::testing

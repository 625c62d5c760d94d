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

std::string Connection(const std::string& address, const std::string& other,
                       const std::string& lines) {
  return "connections {\nsite {\nversion = 2\nchildless = force\nlocal_addrs = " + address +
         "\nremote_addrs = " + other + "\n" + lines + "\n}\n}\n";
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

IkePair::IkePair(const KeyAccess& access, const Peer& peer) : access_(access) {
  token_ = {"token", "10.99.0.1", "10.99.0.2", "", "", nullptr};
  peer_ = {"peer", "10.99.0.2", "10.99.0.1", "", "", nullptr};
  own_serial_ = SerialOf(ReadWhole(peer.certificate));
  WriteFiles(peer_, peer);
}

IkePair::IkePair(const Peer& first, const Peer& second) : IkePair(KeyAccess{}, second) {
  WriteFiles(token_, first);
}

void IkePair::WriteFiles(Side& side, const Peer& peer) const {
  std::string certificates = peer.certificate;
  for (const std::string& file : peer.chain) certificates += ", " + file;
  side.swanctl =
      Connection(side.address, side.other,
                 "local {\nauth = pubkey\ncerts = " + certificates +
                     "\n}\nremote {\nauth = pubkey\nid = %any\ncacerts = " + peer.trust + "\n}");
  Write(side);
  std::filesystem::copy_file(peer.key, folder_ / side.name + "/private/peer.key");
}

IkePair::IkePair(const Snippet& snippet, const KeyAccess& access, const Peer& peer)
    : IkePair(access, peer) {
  token_.plugin = "pkcs11 {\nmodules {\nsignet {\npath = " + access.module +
                  "\nload_certs = no\nos_locking = yes\n}\n}\n}\n";
  token_.swanctl =
      snippet.outer + "\n" +
      Connection(token_.address, token_.other, snippet.inner + "\nremote {\nauth = pubkey\n}");
  Write(token_);
}

// Sections of one name are one section, in which the later setting is the one that counts.
IkePair::IkePair(const PrintedSnippet& printed, const KeyAccess& access, const Peer& peer)
    : IkePair(access, peer) {
  const std::string place = printed.Place("/etc/swanctl/conf.d/");
  const std::size_t begin = place.rfind('/') + 1;
  connection_ = place.substr(begin, place.rfind(".conf") - begin);
  const std::string subject = MustRun(
      {"openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", peer.certificate});
  std::string text = printed.Under("/etc/swanctl/conf.d/");
  text = Replaced(text, "remote_addrs = PEER", "remote_addrs = " + token_.other);
  text = Replaced(text, "id = PEER", "id = \"" + Find(subject, "subject=(.*)") + "\"");
  token_.plugin = printed.Under("/etc/strongswan.d/charon/pkcs11.conf");
  token_.swanctl = text + "connections {\n" + connection_ +
                   " {\nchildless = force\nlocal_addrs = " + token_.address + "\nchildren {\n" +
                   connection_ + " {\nstart_action = none\n}\n}\n}\n}\n";
  Write(token_);
}

IkePair::~IkePair() {
  if (::testing::Test::HasFailure()) std::cerr << Log();
}

// One setting a line: a value goes on to the end of its line.
void IkePair::Write(const Side& side) const {
  const std::string own = folder_ / side.name;
  std::filesystem::create_directories(own + "/private");
  WriteWhole(own + "/strongswan.conf",
             "charon-systemd {\nload = random nonce openssl kdf pem pkcs1 pkcs8 x509 pubkey "
             "constraints kernel-netlink socket-default vici" +
                 std::string(side.plugin.empty() ? "" : " pkcs11") +
                 "\njournal {\ndefault = -1\n}\nfilelog {\nall {\npath = " + own +
                 "/log\ndefault = 1\nflush_line = yes\n}\n}\nplugins {\nvici {\nsocket = unix://" +
                 own + "/vici\n}\n" + side.plugin +
                 "}\n}\nswanctl {\nload = random openssl pem pkcs1 pkcs8 x509 pubkey\n}\n");
  WriteWhole(own + "/swanctl.conf", side.swanctl);
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
  words.insert(words.end(), {"--uri", Vici(side)});
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
  static_cast<void>(Control(token_, {"--terminate", "--ike", connection_, "--force"}));
  if (Control(token_, {"--initiate", "--ike", connection_}).code != 0) return std::nullopt;
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

// A client's octets through the decoder of signet-keyd. The first octet of the input chooses: bit 0
// the management socket, bit 1 pieces (below), bits 2-4 how many octets come at a time.
//
// As a stream the rest is what the client sends. In pieces (call, length of 16 bits, arguments) it
// becomes messages with the right signature after a good greeting, so that every input reaches a
// call.
#include <stdlib.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "hsm/keyd/virtual_objects.h"
#include "platform/json.h"
#include "tests/keyd/fake_agent.h"

namespace {

using namespace signet;
using hsm::AgentConnection;
using hsm::wire::Call;
using hsm::wire::Reader;
using hsm::wire::Writer;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Row {
  Call call;
  std::string_view signature;
};
constexpr Row kRows[] = {
    {Call::kInitialize, "ayyay"},
    {Call::kFinalize, ""},
    {Call::kGetInfo, ""},
    {Call::kGetSlotList, "yfu"},
    {Call::kGetSlotInfo, "u"},
    {Call::kGetTokenInfo, "u"},
    {Call::kGetMechanismList, "ufu"},
    {Call::kGetMechanismInfo, "uu"},
    {Call::kOpenSession, "uu"},
    {Call::kCloseSession, "u"},
    {Call::kCloseAllSessions, "u"},
    {Call::kGetSessionInfo, "u"},
    {Call::kLogin, "uuay"},
    {Call::kLogout, "u"},
    {Call::kGetAttributeValue, "uufA"},
    {Call::kFindObjectsInit, "uaA"},
    {Call::kFindObjects, "ufu"},
    {Call::kFindObjectsFinal, "u"},
    {Call::kSignInit, "uMu"},
    {Call::kSign, "uayfy"},
    {Call::kSignUpdate, "uay"},
    {Call::kSignFinal, "ufy"},
    {Call::kDestroyObject, "uu"},
    {Call::kSetAttributeValue, "uuaA"},
    {Call::kGenerateKeyPair, "uMaAaA"},
    {Call::kWrapKey, "uMuufy"},
    {Call::kUnwrapKey, "uMuayaA"},
    {Call::kControl, "zay"},
};

std::string Hello(std::string_view credential) {
  std::string arguments;
  Writer writer(arguments);
  writer.Array(hsm::wire::kHandshake);
  writer.Byte(1);
  writer.Array(credential);
  return std::string(1, '\0') +
         hsm::wire::Frame(1, static_cast<std::uint32_t>(Call::kInitialize), "ayyay", arguments);
}

std::string InPieces(std::string_view bytes, std::string_view credential) {
  std::string stream = Hello(credential);
  std::string session;
  Writer(session).Number(1);
  Writer(session).Number(CKF_SERIAL_SESSION);
  stream += hsm::wire::Frame(2, static_cast<std::uint32_t>(Call::kOpenSession), "uu", session);
  for (std::uint32_t code = 3; bytes.size() >= 3; ++code) {
    const Row& row = kRows[static_cast<std::uint8_t>(bytes[0]) % std::size(kRows)];
    const std::size_t size =
        static_cast<std::uint8_t>(bytes[1]) << 8 | static_cast<std::uint8_t>(bytes[2]);
    bytes.remove_prefix(3);
    const std::string_view arguments = bytes.substr(0, size);
    bytes.remove_prefix(arguments.size());
    stream +=
        hsm::wire::Frame(code, static_cast<std::uint32_t>(row.call), row.signature, arguments);
  }
  return stream;
}

// Everything that was answered is whole frames.
void CheckAnswers(std::string_view output) {
  if (output.empty()) return;
  Require(output[0] == '\0');
  output.remove_prefix(1);
  while (!output.empty()) {
    Require(output.size() >= hsm::wire::kHeaderSize);
    const hsm::wire::Header header = hsm::wire::ReadHeader(output);
    Require(header.code != 0 && header.options == 0);
    Require(output.size() >= hsm::wire::kHeaderSize + header.body);
    Reader reader(output.substr(hsm::wire::kHeaderSize, header.body));
    reader.Word();
    reader.Octets();
    Require(reader.ok());
    output.remove_prefix(hsm::wire::kHeaderSize + header.body);
  }
}

// A successor takes up exactly this.
void CheckState(testing::FakeAgent& agent, const AgentConnection& connection, bool management) {
  std::string state, again;
  Writer writer(state);
  connection.Save(writer);
  AgentConnection other(agent, {}, testing::GrantOfEverything(), management, 0);
  Reader reader(state);
  Require(other.Load(reader));
  Require(reader.AtEnd());
  Writer second(again);
  other.Save(second);
  Require(again == state);
}

testing::FakeAgent MakeAgent() {
  // A module that has no token to show.
  std::string folder = "/tmp/fuzz-keyd-XXXXXX";
  Require(::mkdtemp(folder.data()) != nullptr);
  ::mkdir((folder + "/tokens").c_str(), 0700);
  std::ofstream(folder + "/softhsm2.conf") << "directories.tokendir = " << folder << "/tokens\n";
  ::setenv("SOFTHSM2_CONF", (folder + "/softhsm2.conf").c_str(), 1);
  std::ostringstream view;
  view << std::ifstream(KEYD_RECORDINGS "/view.json").rdbuf();
  const auto given = FromJson<hsm::KeyView>(ParseJson(view.str()).value()).value();
  return {hsm::MakeVirtualObjects(given, 1).value(),
          hsm::Module::Load("/usr/lib/softhsm/libsofthsm2.so").value()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static testing::FakeAgent& agent = *new testing::FakeAgent(MakeAgent());
  if (size == 0) return 0;
  const bool management = (data[0] & 1) != 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string stream =
      (data[0] & 2) != 0 ? InPieces(rest, agent.credential) : std::string(rest);
  constexpr std::size_t kAtOnce[] = {SIZE_MAX, 1, 2, 3, 7, 13, 64, 1000};
  const std::size_t at_once = kAtOnce[data[0] >> 2 & 7];
  AgentConnection connection(agent, {}, testing::GrantOfEverything(), management, 0);
  WipedString pending;
  std::string output;
  for (std::size_t at = 0; at < stream.size();) {
    const std::string_view some = std::string_view(stream).substr(at, at_once);
    at += some.size();
    const testing::Served served = testing::Feed(connection, pending, some);
    output += served.output;
    if (served.broken) break;
  }
  CheckAnswers(output);
  CheckState(agent, connection, management);
  return 0;
}

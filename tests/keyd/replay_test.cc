// What stock clients say, recorded from real ones (recordings/), is understood and answered as it
// was, octet by octet, whoever rewrites the decoder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "hsm/keyd/virtual_objects.h"
#include "platform/encoding.h"
#include "platform/json.h"
#include "tests/keyd/fake_agent.h"
#include "tests/support/command.h"

namespace signet::testing {
namespace {

using hsm::wire::Call;
using hsm::wire::Reader;

const std::string kFolder = KEYD_RECORDINGS;

struct Piece {
  bool from_client = false;
  std::string octets;
};

std::vector<Piece> Recorded(const std::string& file) {
  std::vector<Piece> pieces;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    pieces.push_back({line.starts_with("C "), HexDecode(line.substr(2)).value()});
  return pieces;
}

std::string Said(const std::vector<Piece>& pieces, bool by_client) {
  std::string all;
  for (const Piece& piece : pieces) {
    if (piece.from_client == by_client) all += piece.octets;
  }
  return all;
}

struct Message {
  std::uint32_t code = 0, call = 0;
  std::string signature, arguments;
};

// The version's octet, then frames; what does not decode is a failure.
std::vector<Message> Messages(std::string_view octets) {
  std::vector<Message> messages;
  EXPECT_EQ(octets.substr(0, 1), std::string_view("\0", 1));
  octets.remove_prefix(1);
  while (!octets.empty()) {
    if (octets.size() < hsm::wire::kHeaderSize) {
      ADD_FAILURE() << "part of a header";
      break;
    }
    const hsm::wire::Header header = hsm::wire::ReadHeader(octets);
    const std::size_t size = hsm::wire::kHeaderSize + header.options + header.body;
    if (octets.size() < size) {
      ADD_FAILURE() << "part of a body";
      break;
    }
    Reader reader(octets.substr(hsm::wire::kHeaderSize + header.options, header.body));
    Message& message = messages.emplace_back();
    message.code = header.code;
    message.call = reader.Word();
    message.signature = reader.Octets().value_or("?");
    message.arguments =
        octets.substr(hsm::wire::kHeaderSize + header.options + 8 + message.signature.size(),
                      header.body - 8 - message.signature.size());
    EXPECT_TRUE(reader.ok());
    octets.remove_prefix(size);
  }
  return messages;
}

class Replay : public ::testing::Test {
 protected:
  Replay() {
    std::filesystem::create_directory(folder / "tokens");
    WriteWhole(folder / "softhsm2.conf", "directories.tokendir = " + (folder / "tokens") + "\n");
    ::setenv("SOFTHSM2_CONF", (folder / "softhsm2.conf").c_str(), 1);
    const auto view =
        FromJson<hsm::KeyView>(ParseJson(ReadWhole(kFolder + "/view.json")).value()).value();
    agent.emplace(hsm::MakeVirtualObjects(view, 1).value(),
                  hsm::Module::Load("/usr/lib/softhsm/libsofthsm2.so").value());
    const auto token = ParseJson(ReadWhole(kFolder + "/token.json")).value();
    const auto text = [&](const char* name) {
      return std::string(token.get_object().at(name).get_string());
    };
    agent->description.label = text("label");
    agent->description.manufacturer = text("manufacturer");
    agent->description.model = text("model");
    agent->description.serial = text("serial");
  }
  // What a connection answers to a recorded client.
  std::string Answers(const std::vector<Piece>& pieces, bool management, std::uint64_t nonce,
                      std::size_t at_once = SIZE_MAX) {
    hsm::AgentConnection connection(*agent, {}, GrantOfEverything(), management, nonce);
    WipedString pending;
    std::string output;
    for (const Piece& piece : pieces) {
      if (!piece.from_client) continue;
      for (std::size_t i = 0; i < piece.octets.size();
           i += std::min(at_once, piece.octets.size())) {
        const Served served =
            Feed(connection, pending, std::string_view(piece.octets).substr(i, at_once));
        EXPECT_FALSE(served.broken);
        output += served.output;
      }
    }
    EXPECT_TRUE(pending.empty());
    return output;
  }
  // Handles are mixed with the connection's nonce: that of the recorded one, from the first handle.
  static std::uint64_t NonceOf(const std::vector<Message>& theirs,
                               const std::vector<Message>& ours) {
    for (std::size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i) {
      if (theirs[i].call != static_cast<std::uint32_t>(Call::kFindObjects)) continue;
      Reader their(theirs[i].arguments), our(ours[i].arguments);
      their.Byte(), our.Byte();
      if (their.Word() == 0 || our.Word() == 0) continue;
      return their.Number() ^ our.Number();
    }
    return 0;
  }
  static bool IsSignature(const Message& message) {
    return message.call == static_cast<std::uint32_t>(Call::kSign) ||
           message.call == static_cast<std::uint32_t>(Call::kSignFinal);
  }
  static std::vector<std::string> Files(const std::string& kind) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
      const std::string name = entry.path().filename();
      if (name.ends_with(".txt") && name.starts_with(kind)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  ScratchFolder folder;
  std::optional<FakeAgent> agent;
};

TEST_F(Replay, OfServicesGivesTheAnswersThatWereGiven) {
  std::set<std::uint32_t> calls;
  ASSERT_GE(Files("service-").size(), 5u);
  for (const std::string& file : Files("service-")) {
    SCOPED_TRACE(file);
    const std::vector<Piece> pieces = Recorded(file);
    const std::vector<Message> theirs = Messages(Said(pieces, false));
    const std::uint64_t nonce = NonceOf(theirs, Messages(Answers(pieces, false, 0)));
    for (const std::size_t at_once : {SIZE_MAX, std::size_t(1)}) {
      const std::vector<Message> ours = Messages(Answers(pieces, false, nonce, at_once));
      ASSERT_EQ(ours.size(), theirs.size());
      for (std::size_t i = 0; i < ours.size(); ++i) {
        SCOPED_TRACE("answer " + std::to_string(i) + ", call " + std::to_string(theirs[i].call));
        calls.insert(theirs[i].call);
        EXPECT_EQ(ours[i].code, theirs[i].code);
        EXPECT_EQ(ours[i].call, theirs[i].call);
        EXPECT_EQ(ours[i].signature, theirs[i].signature);
        if (IsSignature(ours[i])) {
          EXPECT_EQ(ours[i].arguments.size(), theirs[i].arguments.size());
        } else {
          EXPECT_EQ(HexEncode(ours[i].arguments), HexEncode(theirs[i].arguments));
        }
      }
    }
  }
  // Every call that services may make was recorded.
  for (std::uint32_t call :
       {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 18, 19, 24, 26, 27, 28, 42, 43, 44, 45}) {
    EXPECT_TRUE(calls.contains(call)) << call;
  }
  EXPECT_GT(agent->used, 0u);
}

// Without the token that was there: each call is understood and answered, by an error at worst.
TEST_F(Replay, OfTheManagerIsUnderstood) {
  ASSERT_GE(Files("management-").size(), 2u);
  for (const std::string& file : Files("management-")) {
    SCOPED_TRACE(file);
    const std::vector<Piece> pieces = Recorded(file);
    const std::vector<Message> theirs = Messages(Said(pieces, false));
    const std::vector<Message> ours = Messages(Answers(pieces, true, 0, 7));
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].code, theirs[i].code);
      if (ours[i].call == 0) {
        const CK_RV error = Reader(ours[i].arguments).Number();
        EXPECT_NE(error, CKR_FUNCTION_NOT_SUPPORTED) << theirs[i].call;
        EXPECT_NE(error, CKR_ARGUMENTS_BAD) << theirs[i].call;
      } else {
        EXPECT_EQ(ours[i].call, theirs[i].call);
        EXPECT_EQ(ours[i].signature, theirs[i].signature);
      }
    }
  }
}

// State that is saved between any two octets and loaded again changes nothing.
TEST_F(Replay, GoesOnInASuccessorAfterEveryMessage) {
  for (const std::string& file : Files("service-")) {
    SCOPED_TRACE(file);
    const std::vector<Piece> pieces = Recorded(file);
    const std::uint64_t nonce =
        NonceOf(Messages(Said(pieces, false)), Messages(Answers(pieces, false, 0)));
    const std::string expected = Answers(pieces, false, nonce);
    auto connection = std::make_unique<hsm::AgentConnection>(*agent, hsm::AgentPeer{},
                                                             GrantOfEverything(), false, nonce);
    WipedString pending;
    std::string output;
    for (const Piece& piece : pieces) {
      if (!piece.from_client) continue;
      output += Feed(*connection, pending, piece.octets).output;
      std::string state;
      hsm::wire::Writer writer(state);
      connection->Save(writer);
      connection = std::make_unique<hsm::AgentConnection>(*agent, hsm::AgentPeer{},
                                                          GrantOfEverything(), false, nonce);
      Reader reader(state);
      ASSERT_TRUE(connection->Load(reader));
      EXPECT_TRUE(reader.AtEnd());
    }
    EXPECT_EQ(HexEncode(output), HexEncode(expected));
  }
}

}  // namespace
}  // namespace signet::testing

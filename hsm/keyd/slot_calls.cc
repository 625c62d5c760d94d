// Calls about the slot and its token.
#include <algorithm>

#include "hsm/keyd/connection.h"
#include "hsm/raw_signing.h"

namespace signet::hsm {

AgentConnection::Outcome AgentConnection::GetInfo(wire::Reader&) {
  Outcome outcome;
  wire::Writer writer(outcome.reply.arguments);
  writer.Version(2, 40);
  writer.Padded("Signet", 32);
  writer.Number(0);
  writer.Padded("signet-keyd", 32);
  writer.Version(1, 0);
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetSlotList(wire::Reader& reader) {
  reader.Byte();  // with a token: the slot has one
  const std::uint32_t room = reader.BufferSize();
  Outcome outcome;
  wire::Writer writer(outcome.reply.arguments);
  if (room == 0) {
    writer.NumbersSize(1);
  } else {
    writer.Numbers({kSlot});
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetSlotInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  wire::Writer writer(outcome.reply.arguments);
  writer.Padded("signet-keyd", 64);
  writer.Padded("Signet", 32);
  writer.Number(CKF_TOKEN_PRESENT);
  writer.Version(1, 0);
  writer.Version(1, 0);
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetTokenInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const TokenInfo info = backend_.Description();
  CK_FLAGS flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;
  if (!management_) flags |= CKF_WRITE_PROTECTED;
  wire::Writer writer(outcome.reply.arguments);
  writer.Padded(info.label, 32);
  writer.Padded(info.manufacturer, 32);
  writer.Padded(info.model, 16);
  writer.Padded(info.serial, 16);
  writer.Number(flags);
  writer.Number(kMaxSessions);
  writer.Number(sessions_.size());
  writer.Number(management_ ? kMaxSessions : 0);
  writer.Number(0);
  writer.Number(255);  // lengths of a PIN that nobody asks for
  writer.Number(0);
  for (int i = 0; i < 4; ++i) writer.Number(CK_UNAVAILABLE_INFORMATION);
  writer.Version(1, 0);
  writer.Version(1, 0);
  writer.Padded("", 16);
  return outcome;
}

std::vector<CK_MECHANISM_TYPE> AgentConnection::ShownMechanisms() {
  const std::vector<CK_MECHANISM_TYPE> there = backend_.Mechanisms();
  if (management_) return there;
  std::vector<CK_MECHANISM_TYPE> shown;
  for (const RawMechanism& row : RawMechanisms()) {
    const bool has = std::find(there.begin(), there.end(), row.type) != there.end();
    if (has && !row.management_only) shown.push_back(row.type);
  }
  // SunPKCS11 offers PSS only where it finds the hashes too; nobody hashes here.
  for (const CK_MECHANISM_TYPE hash : {CKM_SHA256, CKM_SHA384, CKM_SHA512}) shown.push_back(hash);
  return shown;
}

AgentConnection::Outcome AgentConnection::GetMechanismList(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const std::uint32_t room = reader.BufferSize();
  const std::vector<CK_MECHANISM_TYPE> shown = ShownMechanisms();
  wire::Writer writer(outcome.reply.arguments);
  if (room < shown.size()) {
    writer.NumbersSize(shown.size());
  } else {
    writer.Numbers(shown);
  }
  return outcome;
}

AgentConnection::Outcome AgentConnection::GetMechanismInfo(wire::Reader& reader) {
  Outcome outcome;
  if (reader.Number() != kSlot) outcome.reply.code = CKR_SLOT_ID_INVALID;
  const CK_MECHANISM_TYPE type = reader.Number();
  const std::vector<CK_MECHANISM_TYPE> shown = ShownMechanisms();
  if (std::find(shown.begin(), shown.end(), type) == shown.end()) {
    outcome.reply.code = CKR_MECHANISM_INVALID;
    return outcome;
  }
  wire::Writer writer(outcome.reply.arguments);
  const RawMechanism* row = FindRawMechanism(type);
  if (row == nullptr) {
    writer.Number(0);
    writer.Number(0);
    writer.Number(management_ ? CKF_GENERATE_KEY_PAIR : CKF_DIGEST);
  } else if (row->algorithm == KeyAlgorithm::kRsa) {
    writer.Number(2048);
    writer.Number(4096);
    writer.Number(CKF_SIGN);
  } else {
    writer.Number(256);
    writer.Number(521);
    writer.Number(CKF_SIGN | CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS);
  }
  return outcome;
}

}  // namespace signet::hsm

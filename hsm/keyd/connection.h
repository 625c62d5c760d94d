// One client of signet-keyd: octets in, octets out. Knows no sockets and no threads.
//
// Sessions and objects are virtual and belong to the connection; in the token a client has neither.
// What needs the token is handed out as a job that refers to nothing of the connection, so that one
// that hangs can be left behind.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hsm/keyd/access.h"
#include "hsm/keyd/virtual_objects.h"
#include "hsm/token_control.h"
#include "hsm/token_objects.h"
#include "hsm/wire/calls.h"
#include "hsm/wire/message.h"
#include "platform/secret.h"

namespace signet::hsm {

// What calls need of the process that owns the token. Thread-safe. Those marked "blocks" are called
// in jobs alone.
class AgentBackend {
 public:
  virtual ~AgentBackend() = default;
  virtual std::shared_ptr<const VirtualObjects> View() = 0;
  virtual TokenInfo Description() = 0;
  virtual std::vector<CK_MECHANISM_TYPE> Mechanisms() = 0;
  virtual CK_RV Ready() = 0;  // CKR_OK, or why the token cannot be asked now
  virtual Result<std::string> Sign(const KeyId& key, const wire::Mechanism& mechanism,
                                   std::string_view data) = 0;  // blocks
  // A signature is on its way to its client.
  virtual void CountUse(const std::string& purpose, const KeyId& key, uid_t uid,
                        CK_MECHANISM_TYPE mechanism) = 0;
  // The token signed for somebody who does not wait any more.
  virtual void CountUndelivered() = 0;
  // A call into the token did not come back in time.
  virtual void ReportHang() = 0;
  // Now and then, from a thread that never calls the token.
  virtual void Tick() = 0;
  // Of the management socket alone.
  virtual TokenObjects& Objects() = 0;
  virtual Result<KeySpec> KeySpecOf(const KeyId& key) = 0;  // blocks
  virtual bool IsManager(std::string_view credential) = 0;
  virtual std::string Control(std::string_view method, std::string_view octets) = 0;  // blocks
};

// What a client is told of an error. One that PKCS#11 has no code for is logged: nobody else would
// hear of it.
CK_RV CodeForClient(const Error& error);

// The end of a call: an error, or the arguments of its answer.
struct AgentReply {
  CK_RV code = CKR_OK;
  std::string arguments;
};

class AgentConnection {
 public:
  // `nonce` is the connection's own: handles of another one lead nowhere.
  AgentConnection(AgentBackend& backend, AgentPeer peer, AgentGrant grant, bool management,
                  std::uint64_t nonce);

  // Work for the token: runs on any thread, refers to nothing of the connection.
  using Job = std::function<AgentReply()>;
  struct Step {
    enum class Kind : std::uint8_t {
      kNothing,  // more octets are needed
      kReply,    // `output` is the answer
      kJob,      // run `job`, then give its result to Finish
      kBroken,   // not this protocol: close
    } kind = Kind::kNothing;
    std::string output;
    Job job;
    bool is_long = false;  // makes or moves a key
    bool is_signature = false;
  };
  // Takes the next message out of `input`, if there is a whole one.
  Step Next(WipedString& input);
  // The frame to send for the job of the last step; `abandoned`: it did not come back in time.
  std::string Finish(AgentReply reply, bool abandoned);

  // For a successor after a crash, which has nothing but the socket: greeted long ago; a service
  // was initialised too and any of its sessions is taken for open, the manager says who he is anew.
  void AssumeGreeted();

  const AgentPeer& peer() const { return peer_; }
  bool management() const { return management_; }
  // The client has said C_Initialize: from then on it may be silent for as long as it likes.
  bool initialized() const { return initialized_; }
  // Octets that its sessions hold, about.
  std::size_t Held() const;

  // State for a successor of this process; Load answers whether it could be read.
  void Save(wire::Writer& writer) const;
  bool Load(wire::Reader& reader);

 private:
  struct SignOperation {
    KeyId key;
    std::string purpose;
    KeySpec spec;
    wire::Mechanism mechanism;
    std::string data;  // of C_SignUpdate
  };
  struct Search {
    std::vector<CK_ULONG> found;
    std::size_t next = 0;
  };
  struct SessionState {
    std::optional<Search> search;
    std::optional<SignOperation> sign;
  };
  // What a handler makes of a call: its answer, or a job and what to do with the job's answer.
  struct Outcome {
    AgentReply reply;
    Job job;
    std::function<void(AgentReply&)> then;       // before the answer leaves
    std::function<void(bool delivered)> settle;  // the job has ended
    bool is_long = false;
    bool is_signature = false;
    bool asks_token = true;  // not while the token cannot be asked
  };
  using Handler = Outcome (AgentConnection::*)(wire::Reader&);
  struct Row;
  static const Row* FindRow(std::uint32_t call);

  Outcome Initialize(wire::Reader& reader);
  Outcome Finalize(wire::Reader& reader);
  Outcome GetInfo(wire::Reader& reader);
  Outcome GetSlotList(wire::Reader& reader);
  Outcome GetSlotInfo(wire::Reader& reader);
  Outcome GetTokenInfo(wire::Reader& reader);
  Outcome GetMechanismList(wire::Reader& reader);
  Outcome GetMechanismInfo(wire::Reader& reader);
  Outcome OpenSession(wire::Reader& reader);
  Outcome CloseSession(wire::Reader& reader);
  Outcome CloseAllSessions(wire::Reader& reader);
  Outcome GetSessionInfo(wire::Reader& reader);
  Outcome Login(wire::Reader& reader);
  Outcome Logout(wire::Reader& reader);
  Outcome GetAttributeValue(wire::Reader& reader);
  Outcome FindObjectsInit(wire::Reader& reader);
  Outcome FindObjects(wire::Reader& reader);
  Outcome FindObjectsFinal(wire::Reader& reader);
  Outcome SignInit(wire::Reader& reader);
  Outcome Sign(wire::Reader& reader);
  Outcome SignUpdate(wire::Reader& reader);
  Outcome SignFinal(wire::Reader& reader);
  // Management (management_calls.cc).
  Outcome ManagedAttributes(CK_ULONG object, std::vector<CK_ATTRIBUTE_TYPE> types);
  Outcome ManagedSearch(CK_ULONG session, std::vector<wire::Attribute> match);
  Outcome ManagedSignInit(CK_ULONG session, wire::Mechanism mechanism, CK_ULONG key);
  Outcome DestroyObject(wire::Reader& reader);
  Outcome SetAttributeValue(wire::Reader& reader);
  Outcome GenerateKeyPair(wire::Reader& reader);
  Outcome WrapKey(wire::Reader& reader);
  Outcome UnwrapKey(wire::Reader& reader);
  Outcome Control(wire::Reader& reader);

  CK_RV TokenFailed() const;
  static constexpr CK_SLOT_ID kSlot = 1;
  static constexpr std::size_t kMaxSessions = 256;

  static Outcome Failure(CK_RV code);
  SessionState* FindSession(CK_ULONG session);
  const VirtualObject* FindObject(const VirtualObjects& view, CK_ULONG handle) const;
  bool MayUse(const KeyId& key) const;
  CK_ULONG HandleOf(const VirtualObject& object) const { return object.number ^ nonce_; }
  std::vector<CK_MECHANISM_TYPE> ShownMechanisms();
  Outcome MakeSignature(SessionState& session, std::string_view data, std::uint32_t room);

  AgentBackend& backend_;
  const AgentPeer peer_;
  const AgentGrant grant_;
  const bool management_;
  const std::uint64_t nonce_;

  bool greeted_ = false;
  bool initialized_ = false;
  bool refused_ = false;  // a manager without the credential
  bool assume_sessions_ = false;
  CK_ULONG next_session_ = 1;
  std::map<CK_ULONG, SessionState> sessions_;

  // The call that a job is under way for.
  std::uint32_t code_ = 0;
  const Row* row_ = nullptr;
  std::function<void(AgentReply&)> then_;
  std::function<void(bool)> settle_;
};

}  // namespace signet::hsm

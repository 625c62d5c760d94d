// Sessions of one slot (PKCS#11 v2.40 §5.6), kept open and lent out one to a thread.
#pragma once

#include <p11-kit/pkcs11.h>

#include <cstddef>
#include <mutex>
#include <vector>

#include "hsm/module.h"
#include "platform/error.h"

namespace signet::hsm {

class SessionPool;

// A borrowed session. Goes back to its pool when it dies, or is closed when Discard() was called:
// after a failure nobody knows which operation is still active in it. Move-only: a session carries
// one operation at a time.
class Session {
 public:
  Session(Session&& other) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

  CK_SESSION_HANDLE handle() const { return handle_; }
  Module& module() const;
  void Discard() { discard_ = true; }

 private:
  friend class SessionPool;
  Session(SessionPool* pool, CK_SESSION_HANDLE handle) : pool_(pool), handle_(handle) {}

  SessionPool* pool_;
  CK_SESSION_HANDLE handle_;
  bool discard_ = false;
};

// Thread-safe, except Open and Close, which are called while no session is lent.
class SessionPool {
 public:
  explicit SessionPool(Module& module) : module_(module) {}
  ~SessionPool() { Close(); }
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  // Opens the anchor: a session that is never lent, so that the login outlives every other session.
  Status Open(CK_SLOT_ID slot);
  // Closes all sessions; errors do not matter, they may be dead.
  void Close();
  // Forgets all sessions without a call into the module.
  void Forget();
  bool open() const { return anchor_ != CK_INVALID_HANDLE; }

  CK_SESSION_HANDLE anchor() const { return anchor_; }
  Result<Session> Acquire();
  // Sessions that exist, lent ones included.
  std::size_t Count() const;

 private:
  friend class Session;
  void Return(CK_SESSION_HANDLE handle, bool discard);

  Module& module_;
  CK_SLOT_ID slot_ = 0;
  CK_SESSION_HANDLE anchor_ = CK_INVALID_HANDLE;
  mutable std::mutex mutex_;
  std::vector<CK_SESSION_HANDLE> idle_;
  std::size_t count_ = 0;
};

}  // namespace signet::hsm

#include "hsm/session.h"

#include "hsm/pkcs11_error.h"

namespace signet::hsm {

Session::Session(Session&& other) noexcept
    : pool_(other.pool_), handle_(other.handle_), discard_(other.discard_) {
  other.pool_ = nullptr;
}

Session::~Session() {
  if (pool_ != nullptr) pool_->Return(handle_, discard_);
}

Module& Session::module() const { return pool_->module_; }

Status SessionPool::Open(CK_SLOT_ID slot) {
  Close();
  slot_ = slot;
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  SIGNET_CK("C_OpenSession", module_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                    nullptr, nullptr, &handle));
  anchor_ = handle;
  const std::lock_guard lock(mutex_);
  ++count_;
  return Ok();
}

void SessionPool::Close() {
  std::vector<CK_SESSION_HANDLE> handles;
  {
    const std::lock_guard lock(mutex_);
    handles.swap(idle_);
    if (anchor_ != CK_INVALID_HANDLE) handles.push_back(anchor_);
    count_ = 0;
  }
  anchor_ = CK_INVALID_HANDLE;
  for (const CK_SESSION_HANDLE handle : handles) module_->C_CloseSession(handle);
}

void SessionPool::Forget() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
  count_ = 0;
  anchor_ = CK_INVALID_HANDLE;
}

Result<Session> SessionPool::Acquire() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      const CK_SESSION_HANDLE handle = idle_.back();
      idle_.pop_back();
      return Session(this, handle);
    }
  }
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  SIGNET_CK("C_OpenSession", module_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                    nullptr, nullptr, &handle));
  const std::lock_guard lock(mutex_);
  ++count_;
  return Session(this, handle);
}

std::size_t SessionPool::Count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void SessionPool::Return(CK_SESSION_HANDLE handle, bool discard) {
  {
    const std::lock_guard lock(mutex_);
    if (!discard) {
      idle_.push_back(handle);
      return;
    }
    if (count_ > 0) --count_;
  }
  module_->C_CloseSession(handle);
}

}  // namespace signet::hsm

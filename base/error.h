// Operating errors as values.
//
// An `Error` is a class (what a program can act on) and a message (what a person can act on: what
// happened, where, what to do). A `Result<T>` holds a T or an Error; `Status` is `Result<void>`.
// Bugs are not errors: they are `SLUICE_ASSERT`s, which stay in release builds.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sluice::base {

enum class ErrorClass {
  kInvalid,      // the caller's input is wrong; the same input fails again
  kNotFound,     // a named thing does not exist
  kExists,       // a named thing exists already, or belongs to somebody else (a lock, a checkpoint)
  kCorrupt,      // stored bytes contradict themselves; never skipped, never repaired silently
  kIo,           // a system call failed; errno is in the message
  kNoSpace,      // a disk or a configured limit is full; may pass by itself
  kUnavailable,  // a server cannot be reached or refuses for now; may pass by itself
  kRefused,      // a server understood and said no; the same request fails again
};

class [[nodiscard]] Error {
 public:
  Error(ErrorClass cls, std::string message) : class_(cls), message_(std::move(message)) {}

  ErrorClass cls() const { return class_; }
  const std::string& message() const { return message_; }

  // The same error with "where: " before its message, for the caller who knows the place.
  Error at(std::string_view where) const;

 private:
  ErrorClass class_;
  std::string message_;
};

// An error of the commonest class.
inline Error invalid(std::string message) {
  return Error(ErrorClass::kInvalid, std::move(message));
}

// "what: strerror(error_number)"; ENOSPC and EDQUOT become kNoSpace, everything else kIo.
Error errno_error(int error_number, std::string_view what);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

// Prints file, line, condition and message to stderr and aborts.
[[noreturn]] void assertion_failed(const char* file, int line, const char* condition,
                                   std::string_view message);

}  // namespace sluice::base

namespace sluice {
using base::Error;
using base::ErrorClass;
using base::Result;
using base::Status;
}  // namespace sluice

// What must hold, always; kept in release because a proxy that goes on after a broken invariant
// can sell twice.
#define SLUICE_ASSERT(condition, message)                                             \
  do {                                                                                \
    if (!(condition)) [[unlikely]]                                                    \
      ::sluice::base::assertion_failed(__FILE__, __LINE__, #condition, (message));    \
  } while (false)

// Leaves the enclosing function with the error of a failed Status or Result.
#define SLUICE_TRY(expression)                                      \
  do {                                                              \
    if (auto sluice_try_ = (expression); !sluice_try_) [[unlikely]] \
      return sluice_try_.error();                                   \
  } while (false)

#include "proxy/upstream/io_thread.h"

#include <algorithm>
#include <utility>

namespace sluice::proxy::upstream {

IoThread::IoThread(size_t index)
    : index_(index),
      context_(1),
      guard_(context_.get_executor()),
      poller_(context_, [this] { run_turn_tasks(); }) {}

void IoThread::at_turn_end(TurnTask& task) {
  if (task.queued_) return;
  task.queued_ = true;
  tasks_.push_back(&task);
  if (posted_ || poller_.in_turn()) return;
  posted_ = true;
  // Asio runs posted work after every handler that the same epoll_wait made ready.
  boost::asio::post(context_, [this] {
    posted_ = false;
    run_turn_tasks();
  });
}

void IoThread::forget(TurnTask& task) {
  if (!task.queued_) return;
  task.queued_ = false;
  std::replace(tasks_.begin(), tasks_.end(), &task, static_cast<TurnTask*>(nullptr));
  std::replace(running_.begin(), running_.end(), &task, static_cast<TurnTask*>(nullptr));
}

void IoThread::run_turn_tasks() {
  std::swap(tasks_, running_);
  for (size_t i = 0; i < running_.size(); ++i) {
    TurnTask* task = std::exchange(running_[i], nullptr);
    if (task == nullptr) continue;
    task->queued_ = false;
    task->turn_ended();
  }
  running_.clear();
}

void IoThread::start() {
  thread_ = std::thread([this] { context_.run(); });
}

void IoThread::stop() { context_.stop(); }

void IoThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice::proxy::upstream

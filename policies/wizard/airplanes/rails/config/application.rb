require "bundler/setup"

require "rails"
require "action_controller/railtie"

Bundler.require(*Rails.groups)

class Reports < Rails::Application
  config.load_defaults 8.0
  config.eager_load = true
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE") { SecureRandom.hex(64) }
  config.logger = ActiveSupport::Logger.new($stdout)

  # An exception's event carries the parameters of its request, without those that are filtered.
  config.filter_parameters += %i[password email]

  # The page of an error is rendered by the app. PostHog's middleware has seen the exception by then.
  config.exceptions_app = ->(env) { ReportsController.action(:problem).call(env) }
end

class ApplicationController < ActionController::Base
  # There is no database, so the e-mail is the user's ID. In a model with a table this method would
  # return `id.to_s`. PostHog's middleware calls it as well, when it reports an exception.
  User = Struct.new(:email) do
    def posthog_distinct_id
      email
    end
  end

  helper_method :current_user

  private

  def current_user
    User.new(session[:email]) if session[:email]
  end

  def require_user
    head :unauthorized unless current_user
  end
end

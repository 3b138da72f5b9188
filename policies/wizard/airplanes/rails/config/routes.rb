Rails.application.routes.draw do
  root "reports#show"
  post "login", to: "reports#log_in"
  post "upgrade", to: "reports#upgrade"
  post "export", to: "reports#export"
  post "logout", to: "reports#log_out"
end

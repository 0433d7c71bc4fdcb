/**
 * Keys of the fifteen scheduler classes that Diffusers calls compatible with each other (its
 * `KarrasDiffusionSchedulers`), other than those that DDPM and DDIM share. They pass through DDPM and DDIM without a
 * warning and survive a save.
 */
export const karrasKeys: readonly string[] = [
  "algorithm_type",
  "disable_corrector",
  "euler_at_final",
  "final_sigmas_type",
  "flow_shift",
  "interpolation_type",
  "lambda_min_clipped",
  "lower_order_final",
  "noise_sampler_seed",
  "predict_x0",
  "rho",
  "set_alpha_to_one",
  "shift_terminal",
  "sigma_data",
  "sigma_max",
  "sigma_min",
  "sigma_schedule",
  "skip_prk_steps",
  "solver_order",
  "solver_p",
  "solver_type",
  "time_shift_type",
  "timestep_type",
  "use_beta_sigmas",
  "use_dynamic_shifting",
  "use_exponential_sigmas",
  "use_flow_sigmas",
  "use_karras_sigmas",
  "use_lu_lambdas",
  "variance_type",
]
